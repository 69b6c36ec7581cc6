"""Figure 3.2: DFA given more time, and the alignment of its feedback with w2 (thesis section 3.1).

Draw it with `dfa-tune plot fig_3_2`.
"""

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, layout, panels
from dfa_tune.planning.sweep_results import SweepResults


def figure(results: SweepResults) -> Figure:
    """Left: accuracy by epoch. Right: the cosine of B and w2, of the methods that have a feedback."""
    if results.axis_names:  # a list was given with --set
        return figures.default(results)
    repeats = results.repeat_rows
    drawing, (accuracy, alignment) = layout.canvas(2, results)
    panels.by_epoch(accuracy, results, repeats)
    accuracy.set_title("Accuracy", fontsize=10)
    panels.by_epoch(alignment, results, repeats[repeats["feedback"].notna()], "feedback_alignment")
    alignment.set_title("Alignment", fontsize=10)
    return layout.finish(drawing, results)

"""Figure 3.5: alignments of DFA with SGD and with RMSProp (thesis section 3.1).

Draw it with `dfa-tune plot fig_3_5`.
"""

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, layout, panels
from dfa_tune.planning.sweep_results import SweepResults

PANELS = {
    "feedback_alignment": "Feedback and weights",
    "gradient_alignment": "DFA's gradient and BP's",
    "test_accuracy": "Accuracy",
}


def figure(results: SweepResults) -> Figure:
    """Both alignments by epoch, and the accuracy, which does not follow them."""
    if results.axis_names:  # a list was given with --set
        return figures.default(results)
    repeats = results.repeat_rows
    drawing, axes = layout.canvas(len(PANELS), results)
    for ax, (metric, title) in zip(axes, PANELS.items(), strict=True):
        panels.by_epoch(ax, results, repeats, metric)
        ax.set_title(title, fontsize=10)
    layout.same_scale(axes[:2])
    return layout.finish(drawing, results)

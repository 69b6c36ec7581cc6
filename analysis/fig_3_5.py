"""Figure 3.5: alignments of DFA with SGD and with RMSProp (thesis section 3.1).

Draw it with `dfa-tune plot fig_3_5`.
"""

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots
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
    drawing, axes = plots.canvas(len(PANELS), results)
    for ax, (metric, title) in zip(axes, PANELS.items(), strict=True):
        plots.by_epoch(ax, repeats, plots.styles(results), metric)
        ax.set_title(title, fontsize=10)
    plots.same_scale(axes[:2])
    return plots.finish(drawing, results)

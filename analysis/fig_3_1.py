"""Figure 3.1: BP and DFA with SGD, test accuracy by epoch, a panel for each k (thesis section 3.1).

Draw it with `dfa-tune plot fig_3_1`.
"""

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, layout, panels
from dfa_tune.planning.sweep_results import SweepResults


def figure(results: SweepResults) -> Figure:
    """One panel for each k that the space has, with the same scale."""
    if set(results.axis_names) - {"k"}:  # more lists were given with --set
        return figures.default(results)
    repeats = results.repeat_rows
    digits = sorted({point.problem.k for point in results.sweep.points})
    drawing, axes = layout.canvas(len(digits), results)
    for ax, k in zip(axes, digits, strict=True):
        panels.by_epoch(ax, results, repeats[repeats["k"] == k])
        ax.set_title(f"k = {k}", fontsize=10)
    layout.same_scale(axes)
    return layout.finish(drawing, results)

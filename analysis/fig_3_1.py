"""Figure 3.1: BP and DFA with SGD, test accuracy by epoch, a panel for each k (thesis section 3.1).

python analysis/fig_3_1.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots, tables
from dfa_tune.planning.plan import Plan


def figure(rows: pd.DataFrame, plan: Plan) -> Figure:
    """One panel for each k that the space has, with the same scale."""
    if set(tables.axis_names(plan)) - {"k"}:  # more lists were given with --set
        return figures.default(rows, plan)
    repeats = tables.repeats(plan, rows)
    digits = sorted({point.problem.k for point in plan.sweep.points})
    drawing, axes = plots.canvas(len(digits), plan)
    for ax, k in zip(axes, digits, strict=True):
        plots.by_epoch(ax, repeats[repeats["k"] == k], plots.styles(plan))
        ax.set_title(f"k = {k}", fontsize=10)
    plots.same_scale(axes)
    return plots.finish(drawing, plan, rows)


if __name__ == "__main__":
    figures.command("fig_3_1")

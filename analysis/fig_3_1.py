"""Figure 3.1: BP and DFA with SGD, test accuracy by epoch, a panel for each k (thesis section 3.1).

python analysis/fig_3_1.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots, tables
from dfa_tune.planning.plan import Agenda


def figure(rows: pd.DataFrame, agenda: Agenda) -> Figure:
    """One panel for each k that the space has, with the same scale."""
    if set(tables.axis_names(agenda)) - {"k"}:  # more lists were given with --set
        return figures.default(rows, agenda)
    repeats = tables.repeats(agenda, rows)
    digits = sorted({point.problem.k for point in agenda.sweep.points})
    drawing, axes = plots.canvas(len(digits), agenda)
    for ax, k in zip(axes, digits, strict=True):
        plots.by_epoch(ax, repeats[repeats["k"] == k], plots.styles(agenda))
        ax.set_title(f"k = {k}", fontsize=10)
    plots.same_scale(axes)
    return plots.finish(drawing, agenda, rows)


if __name__ == "__main__":
    figures.command("fig_3_1")

"""Figure 2.2: clusters, test error against n and against d (thesis section 2.2).

python analysis/fig_2_2.py [--results DIR]
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfa_tune.agenda import Agenda
from dfa_tune.analysis import figures, plots, tables
from dfa_tune.problems.kinds.clusters import Settings, cluster_labels, sample_points

D, N = 15, 256  # the thesis' d where n varies, and n where d varies


def figure(rows: pd.DataFrame, agenda: Agenda) -> Figure:
    """Left: the data of the first repetition. Middle and right: the error, the other of n and d fixed."""
    if set(tables.axis_names(agenda)) - {"n", "d"}:  # more lists were given with --set
        return figures.default(rows, agenda)
    look = plots.styles(agenda)
    ended = tables.finals(agenda, rows).drop(columns=["n", "d"], errors="ignore")
    ended = ended.merge(rows[["trial_id", "n", "d"]].drop_duplicates(), on="trial_id")
    drawing, (data, by_n, by_d) = plots.canvas(3, agenda)
    trial = agenda.cells[0].due({})[-1]
    scatter(data, trial.problem, trial.seed)
    for ax, axis, other, fixed in [(by_n, "n", "d", D), (by_d, "d", "n", N)]:
        plots.final_by_axis(ax, ended[ended[other] == fixed], axis, look, error=True)
        ax.set_title(f"{other} = {fixed}", fontsize=10)
    plots.same_scale([by_n, by_d])
    return plots.finish(drawing, agenda, rows)


def scatter(ax: Axes, problem: Settings, seed: int, count: int = 2000) -> None:
    """The first two dimensions of `count` points; the label has a colour and a marker."""
    points, cluster = sample_points(problem, count, np.random.default_rng(seed))
    label = cluster_labels(problem, seed)[cluster]
    for value, colour, marker in [(0, plots.COLOURS[5], "o"), (1, plots.COLOURS[6], "^")]:
        part = points[label == value]
        ax.scatter(part[:, 0], part[:, 1], s=5, c=colour, marker=marker, lw=0, label=f"label {value}")
    ax.set(aspect="equal", xlabel="dimension 1", ylabel="dimension 2", xlim=(-0.6, 0.6), ylim=(-0.6, 0.75))
    ax.legend(loc="upper center", ncols=2, fontsize=plots.SMALL, markerscale=2)
    ax.set_title(f"The data: {problem.clusters} x {problem.clusters} clusters", fontsize=10)


if __name__ == "__main__":
    figures.command(figure, "fig_2_2")

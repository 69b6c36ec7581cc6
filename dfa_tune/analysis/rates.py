"""The learning-rate figure: the metric by epoch for every rate that was tried, from the tune stage."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dfa_tune.analysis import plots
from dfa_tune.planning.plan import Cell
from dfa_tune.planning.sweep_results import SweepResults

PANELS = 12  # more methods and points of the axes than this are left out, and the caption says so


def figure(results: SweepResults) -> Figure | None:
    """A panel for each method and point of the axes that tuned its rate; None where nothing was tuned."""
    tuned = [cell for cell in results.plan.cells if cell.tune_trials]
    if not tuned:
        return None
    drawing, axes = plots.canvas(min(len(tuned), PANELS), results, heading="Learning rates tried: ")
    for ax, cell in zip(axes, tuned, strict=False):
        panel(ax, results, cell)
    plots.same_scale(axes)
    left_out = len(tuned) - len(axes)
    note = (
        "One seed for all rates; the thick line is the rate chosen by the mean of the last"
        f" {results.sweep.tuning.window} rows, * says that it is at the edge of its range, a cross that a"
        f" trial diverged.{f' {left_out} more panels are left out.' if left_out else ''}"
    )
    drawing.set_label(f"{results.sweep.name}-rates")
    return plots.caption_below(drawing, f"{note} {plots.about_data(results)}")


def panel(ax: Axes, results: SweepResults, cell: Cell) -> None:
    """The metric by epoch of each rate that `cell` tried: dark is low, the chosen one is thick."""
    known, metric = results.scores, results.sweep.tuning.metric
    choice = cell.choice(known)
    tried = sorted(
        (t for t in cell.due(known) if t.stage == "tune" and t.id in known), key=lambda t: t.learning_rate
    )
    curves = dict(list(results.rows.groupby("trial_id")))
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, max(2, len(tried))))
    for index, (trial, shade) in enumerate(zip(tried, shades, strict=False)):
        part = curves[trial.id].sort_values("epoch")
        chosen = choice is not None and choice.learning_rate == trial.learning_rate
        every = max(1, len(part) // 5)
        ax.plot(
            part["epoch"],
            part[metric],
            color=shade,
            linewidth=2.6 if chosen else 1.0,
            marker=plots.MARKERS[index % len(plots.MARKERS)],
            markevery=(index % every, every),
            markersize=3.5,
            label=f"{trial.learning_rate:.2g}{'*' if chosen and choice and choice.at_edge else ''}",
        )
        if np.isnan(known[trial.id]):
            ax.plot(part["epoch"].iloc[-1:], [0.03], "x", color=shade, transform=ax.get_xaxis_transform())
    where = ", ".join(f"{name} = {value}" for name, value in cell.axes.items())
    ax.set_title(" ".join(filter(None, [cell.method.name, where and f"({where})"])), fontsize=10)
    ax.set_xlabel("epoch")
    plots.dress(ax, not tried, metric, "tuning trial")
    if tried:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.legend(fontsize=7, ncols=2, title="learning rate", title_fontsize=7, loc="best", handlelength=2.2)

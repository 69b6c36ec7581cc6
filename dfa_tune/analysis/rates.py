"""The figure of the learning rates: the metric by epoch for every rate that was tried in the tuning."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfa_tune.analysis import layout, panels
from dfa_tune.analysis.captions import about_data
from dfa_tune.analysis.default_figure import choose, point_title
from dfa_tune.analysis.styles import MARKERS, TITLE
from dfa_tune.planning.plan import Cell
from dfa_tune.planning.sweep_results import SweepResults

PANELS = 12  # at most; the caption says how many there would be


def figure(results: SweepResults) -> Figure | None:
    """A panel for each method and point of the axes whose rate was tuned; None where nothing was tuned."""
    tuned = [cell for cell in results.plan.cells if cell.tune_trials]
    if not tuned:
        return None
    shown, left_out = choose(tuned, PANELS)
    drawing, axes = layout.canvas(len(shown), results, heading="Learning rates tried: ")
    for ax, cell in zip(axes, shown, strict=True):
        panel(ax, results, cell)
    layout.same_scale(axes)
    window = results.sweep.tuning.window
    rows = "last row" if window == 1 else f"mean of the last {window} rows"
    note = (
        f"All rates were tried with the same {_seeds(results)}. The thick line is the chosen one, whose"
        f" {rows} is best; * marks a rate at the edge of its range, a cross a trial that diverged. {left_out}"
    )
    if results.sweep.tuning.stop is not None:
        note = f"{note.strip()} A line that ends early was stopped."
    drawing.set_label(f"{results.sweep.name}-rates")
    return layout.caption_below(drawing, f"{note.strip()} {about_data(results)}")


def _seeds(results: SweepResults) -> str:
    count = results.sweep.tuning.seeds
    return "seed" if count == 1 else f"{count} seeds"


def panel(ax: Axes, results: SweepResults, cell: Cell) -> None:
    """The metric by epoch for each rate that `cell` tried: from dark, the lowest rate, to light."""
    known, metric = results.scores, results.sweep.tuning.metric
    choice = cell.choice(known)
    curves = dict(list(results.rows.groupby("trial_id")))
    tried = [trial for trial in cell.tuning_due(known) if trial.id in curves]
    tried.sort(key=lambda trial: trial.learning_rate)
    rates = list(dict.fromkeys(trial.learning_rate for trial in tried))
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, max(2, len(rates))))
    labelled: set[float] = set()
    edge = choice.learning_rate if choice is not None and choice.at_edge else None
    for trial in tried:
        index = rates.index(trial.learning_rate)
        shade = shades[index]
        part = curves[trial.id].sort_values("epoch")
        chosen = choice is not None and trial.id in choice.trials
        every = max(1, len(part) // 5)
        ax.plot(
            part["epoch"],
            part[metric],
            color=shade,
            linewidth=2.6 if chosen else 1.0,
            marker=MARKERS[index % len(MARKERS)],
            markevery=(index % every, every),
            markersize=3.5,
            label=None
            if trial.learning_rate in labelled
            else f"{trial.learning_rate:.2g}{'*' if trial.learning_rate == edge else ''}",
        )
        labelled.add(trial.learning_rate)
        if np.isnan(known.get(trial.id, 0.0)):
            ax.plot(part["epoch"].iloc[-1:], [0.03], "x", color=shade, transform=ax.get_xaxis_transform())
    where = point_title(cell.axes)
    title = f"{cell.method.name} ({where})" if where else cell.method.name
    ax.set_title(title, fontsize=TITLE, parse_math=False)
    ax.set_xlabel("epoch")
    panels.dress(ax, results, metric, empty=not tried, what="tuning trial")
    ax.set_ylabel(panels.tuned_by(results))
    if tried:
        panels.whole_epochs(ax)
        ax.legend(fontsize=7, ncols=2, title="learning rate", title_fontsize=7, loc="best", handlelength=2.2)

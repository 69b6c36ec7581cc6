"""The difference of two methods against an axis of the sweep: paired by seed, with its interval.

Repetition r of every method has the same data and the same initial weights, so the difference of two methods
in one repetition varies less than either of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfa_tune.analysis import for_paper
from dfa_tune.analysis.along_axis import Along, along, points, table_with
from dfa_tune.analysis.default_figure import point_title
from dfa_tune.analysis.drawn_axes import rows_at
from dfa_tune.analysis.layout import same_scale
from dfa_tune.analysis.statistics import t_interval
from dfa_tune.analysis.styles import COLOURS, GREY, LINES, MARKERS
from dfa_tune.errors import UserError, did_you_mean
from dfa_tune.planning.sweep_results import SweepResults


def figure(
    results: SweepResults,
    methods: tuple[str, str],
    x: str | None = None,
    panels: str | None = None,
    width: float = for_paper.COLUMN,
) -> tuple[Figure, str]:
    """The final test accuracy of the first method minus that of the second; and a caption.

    x: the axis across, by default the longest one of numbers
    panels: the axis with a panel for each value, by default none
    width: in inches

    Every combination of the other axes is a line. Bars are the 95% interval of the mean (Student's t); dots,
    where there is one line, are the repetitions. Raises UserError for an unknown method or axis, or if no
    repetition has both methods.
    """
    _check(results, methods)
    axes = along(results, x, panels, "--x")
    table = differences(results, methods, axes)
    if table.empty:
        raise UserError(
            f"{results.sweep.name}: no repetition of both {' and '.join(methods)} is finished yet"
        )
    beside, places = points(results, table, axes.beside), axes.places(results, table)
    lines = points(results, table, axes.lines)
    with for_paper.fonts():
        drawing, drawn = for_paper.canvas(len(beside), width)
        for ax, at in zip(drawn, beside, strict=True):
            _panel(ax, axes, places, rows_at(table, at), lines)
            axes.label_across(ax, places)
            ax.set_title(point_title(at), parse_math=False)
        same_scale(drawn)
        drawing.supylabel(f"{methods[0]} minus\n{methods[1]} (accuracy)", fontsize=8, parse_math=False)
        for_paper.legend_above(drawing, drawn)
    drawing.set_label(f"{results.sweep.name}-{methods[0]}-minus-{methods[1]}")
    return drawing, _caption(methods, table, axes)


def _panel(
    ax: Axes, axes: Along, places: dict[Any, float], part: pd.DataFrame, lines: list[dict[str, Any]]
) -> None:
    """The differences in `part` of a table, with a line for each of these points."""
    ax.axhline(0, color=GREY, linewidth=0.6, zorder=0)
    ax.grid(color="0.92", linewidth=0.4)
    for index, point in enumerate(lines):
        own = rows_at(part, point)
        color = COLOURS[index % len(COLOURS)]
        placed = own.assign(at=own[axes.x].map(places) if axes.x is not None else 0.0)
        if len(lines) == 1:
            ax.plot(placed["at"], placed["difference"], ".", color=color, ms=2, alpha=0.4)
        line = [(at, *_mean_and_half(group)) for at, group in placed.groupby("at")["difference"]]
        if not line:
            continue
        across, mean, half = (np.array(column) for column in zip(*line, strict=True))
        ax.errorbar(
            across,
            mean,
            yerr=half,
            color=color,
            marker=MARKERS[index % len(MARKERS)],
            linestyle=LINES[index % len(LINES)] if len(line) > 1 else "",
            capsize=2,
            label=point_title(point) or None,
        )


def differences(results: SweepResults, methods: tuple[str, str], axes: Along) -> pd.DataFrame:
    """The paired differences of final accuracies: the columns of the axes, seed and difference.

    There is a row for each repetition that both methods have finished at a point of the axes. A method that
    an axis does not concern is compared at all of its values. Repetitions without any finite accuracy are
    left out.
    """
    names = [name for name in (axes.x, axes.panels, *axes.lines) if name is not None]
    finals = table_with(results, results.finals) if not results.finals.empty else results.finals
    first, second = (finals[finals["method"] == method] for method in methods)
    found = []
    for point in points(results, finals, tuple(names)) if not finals.empty else []:
        pair = rows_at(first, point).merge(rows_at(second, point), on="seed", suffixes=("", "_second"))
        part = pd.DataFrame(
            {"seed": pair["seed"], "difference": pair["accuracy"] - pair["accuracy_second"]}
        ).dropna()
        found.append(part.assign(**point))
    columns = [*names, "seed", "difference"]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def _mean_and_half(values: pd.Series) -> tuple[float, float]:
    """The mean, and half its interval; NaN for a single value."""
    found = t_interval(values.to_numpy(dtype=np.float64))
    return found.mean, math.nan if found.high is None else found.high - found.mean


def _check(results: SweepResults, methods: tuple[str, str]) -> None:
    valid = [method.name for method in results.sweep.methods]
    for name in methods:
        if name not in valid:
            raise UserError(
                f"--contrast {name}: not a method of {results.sweep.name}; valid: {', '.join(valid)}."
                f"{did_you_mean(name, valid)}"
            )
    if methods[0] == methods[1]:
        raise UserError(f"--contrast {methods[0]} {methods[1]}: name two different methods")


def _caption(methods: tuple[str, str], table: pd.DataFrame, axes: Along) -> str:
    names = [name for name in (axes.x, axes.panels, *axes.lines) if name is not None]
    counts = table.groupby(names)["difference"].size() if names else pd.Series([len(table)])
    low, high = int(counts.min()), int(counts.max())
    n = f"n = {low}" if low == high else f"n = {low} to {high}"
    return (
        f"Final test accuracy of {methods[0]} minus that of {methods[1]}, paired by seed: mean over {n}"
        " repetitions and its 95% interval (Student's t)."
    )

"""What a figure against an axis of a sweep shows: which axis, in which panels, and one line for all else."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from dfa_tune.analysis.drawn_axes import (
    LAYERS,
    WIDTH,
    drawn_axes,
    length,
    places_of,
    values_of,
    with_layers,
)
from dfa_tune.analysis.panels import label_across
from dfa_tune.errors import UserError, did_you_mean
from dfa_tune.planning.sweep_results import SweepResults


@dataclass(frozen=True)
class Along:
    """An axis of a sweep as a figure has it.

    x: the column across; None where the sweep has no axes
    panels: the column with a panel for each value; None: one panel
    lines: the other columns, each combination of which is a line
    """

    x: str | None
    panels: str | None
    lines: tuple[str, ...]

    @property
    def beside(self) -> tuple[str, ...]:
        """The column of the panels, if there is one."""
        return () if self.panels is None else (self.panels,)

    def places(self, results: SweepResults, table: pd.DataFrame) -> dict[Any, float]:
        """Where each value of the axis across lies: at the number that it is, or one beside the other."""
        if self.x is None:
            return {None: 0.0}
        return places_of(values_of(results, self.x, table))

    def label_across(self, ax: Axes, places: dict[Any, float]) -> None:
        """The label and the ticks of the axis across; none without one."""
        if self.x is None:
            ax.set_xticks([])
        else:
            label_across(ax, self.x, places)


def along(results: SweepResults, x: str | None, panels: str | None, option: str) -> Along:
    """The axes of a figure; without `x` the longest axis of numbers, else the longest one.

    option: that names `x`, for messages. Raises UserError for an axis that the sweep does not have.
    """
    names = drawn_axes(results)
    across = _known(results, x, option)
    beside = _known(results, panels, "--panels")
    if across is not None and across == beside:
        raise UserError(f"{option} and --panels are both {across}; name two axes")
    # Depth and width are two axes of what `hidden` is one of
    for chosen in (across, beside):
        if chosen == "hidden":
            names = [name for name in names if name not in (LAYERS, WIDTH)] + ["hidden"]
        elif chosen in (LAYERS, WIDTH):
            names = [name for name in names if name != "hidden"]
    names = list(dict.fromkeys(names))
    if across is None:
        cells = table_with(results, pd.DataFrame([cell.axes for cell in results.plan.cells]))
        others = (name for name in names if name != beside)
        across = max(others, key=lambda name: length(results, name, cells), default=None)
    return Along(across, beside, tuple(name for name in names if name not in (across, beside)))


def table_with(results: SweepResults, table: pd.DataFrame) -> pd.DataFrame:
    """`table` with the columns of every axis that a figure can have."""
    return with_layers(table) if "hidden" in results.axis_names else table


def points(results: SweepResults, table: pd.DataFrame, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The combinations of the columns' values that are in `table`, in the order of figures."""
    values = [values_of(results, name, table) or [None] for name in names]
    return [dict(zip(names, found, strict=True)) for found in itertools.product(*values)]


def _known(results: SweepResults, name: str | None, option: str) -> str | None:
    if name is None:
        return None
    valid = list(dict.fromkeys([*drawn_axes(results), *results.axis_names]))
    column = name.rpartition(".")[2]  # "problem.k" as in the space is k
    if column not in valid:
        axes = f"valid: {', '.join(valid)}.{did_you_mean(column, valid)}" if valid else "it has none"
        raise UserError(f"{option} {name}: not an axis of {results.sweep.name}; {axes}")
    return column

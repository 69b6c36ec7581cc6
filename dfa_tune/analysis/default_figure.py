"""The figure that suits any sweep: any axes, any number of methods, finished or not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import layout, panels
from dfa_tune.analysis.drawn_axes import drawn_axes, length, rows_at, values_of, with_layers
from dfa_tune.analysis.styles import TITLE
from dfa_tune.planning.sweep_results import SweepResults

CURVE_PANELS = 4  # of more points of the axes than this, the curves of a few are shown
FEW_CURVES = 3
FINAL_PANELS = 6
T = TypeVar("T")


def default(results: SweepResults) -> Figure:
    """Accuracy by epoch at the points of the axes, and the final accuracies against the longest numeric axis.

    There is a panel of final accuracies for each point of the other axes. Before the first repetition is
    done: the learning rates tried so far.
    """
    if results.finals.empty:
        return _tuning_so_far(results)
    names = drawn_axes(results)
    apart = "hidden" in results.axis_names and "hidden" not in names
    finals, rows = (with_layers(t) if apart else t for t in (results.finals, results.repeat_rows))
    curves = _by_point(results, rows, names)
    curves, left_out = choose(curves, CURVE_PANELS if len(curves) <= CURVE_PANELS else FEW_CURVES)
    axis = max(names, key=lambda name: length(results, name, finals), default=None)
    ends = _by_point(results, finals, [name for name in names if name != axis])
    shown, note = choose(ends, FINAL_PANELS)
    note = note or left_out
    figure, axes = layout.canvas(len(curves) + len(shown), results)
    for ax, (title, part) in zip(axes, curves, strict=False):
        panels.by_epoch(ax, results, part)
        ax.set_title(title or "By epoch", fontsize=TITLE, parse_math=False)
    for ax, (title, part) in zip(axes[len(curves) :], shown, strict=True):
        if axis is None:
            panels.final_by_method(ax, results, part)
        else:
            panels.final_by_axis(ax, results, part, axis)
        ax.set_title(title or "After the last epoch", fontsize=TITLE, parse_math=False)
    layout.same_scale(axes[: len(curves)])
    if axis is not None:  # else the only other panel has accuracy across
        layout.same_scale(axes[len(curves) :])
    return layout.finish(figure, results, note)


def choose(items: Sequence[T], most: int) -> tuple[list[T], str]:
    """At most `most` items, evenly spaced from the first to the last, and what to say of the others."""
    if len(items) <= most:
        return list(items), ""
    places = np.linspace(0, len(items) - 1, most).round().astype(int)
    return (
        [items[place] for place in places],
        f"{most} of {len(items)} panels are shown, evenly spaced; --method and --set choose others.",
    )


def point_title(axes: dict[str, Any]) -> str:
    """A point of the axes in words: "k = 3, weight_decay = 0.001"."""
    return ", ".join(
        f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in axes.items()
    )


def _tuning_so_far(results: SweepResults) -> Figure:
    by_point: dict[str, list[Any]] = {}
    for cell in results.plan.cells:
        by_point.setdefault(point_title(cell.axes), []).append(cell)
    shown, note = choose(list(by_point.items()), FINAL_PANELS)
    figure, axes = layout.canvas(max(1, len(shown)), results)
    for ax, (title, cells) in zip(axes, shown, strict=False):
        panels.tuning(ax, results, cells)
        ax.set_title(title, fontsize=TITLE, parse_math=False)
    return layout.finish(figure, results, note)


def _by_point(results: SweepResults, part: pd.DataFrame, names: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """The parts of `part` at each point of the columns `names`, each with its title, in the axes' order.

    A row with a null there is of a method that the axis does not concern: it is at every point.
    """
    names = [name for name in names if part[name].notna().any()]
    if not names:
        return [("", part)]
    values = [values_of(results, name, part) for name in names]
    found = []
    for point in itertools.product(*values):
        own = dict(zip(names, point, strict=True))
        rows = rows_at(part, own)
        if not rows[names].isna().any(axis=1).all():
            found.append((point_title(own), rows))
    return found

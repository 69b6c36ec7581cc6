"""The figure that suits any sweep: any axes, any number of methods, finished or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import layout, panels
from dfa_tune.analysis.styles import TITLE
from dfa_tune.planning.sweep_results import SweepResults

CURVE_PANELS = 4  # with more points of the axes than this there are final accuracies alone
FINAL_PANELS = 6
T = TypeVar("T")


def default(results: SweepResults) -> Figure:
    """Accuracy by epoch at each point of the axes, and the final accuracies against the longest axis.

    Before the first repetition is done: the learning rates tried so far.
    """
    finals = results.finals
    if finals.empty:
        return _tuning_so_far(results)
    names = results.axis_names
    curves = _by_point(results, results.repeat_rows, names)
    curves = curves if len(curves) <= CURVE_PANELS else []
    axis = max(names, key=lambda name: finals[name].nunique(dropna=False), default=None)
    ends = _by_point(results, finals, [name for name in names if name != axis])
    shown, note = choose(ends, FINAL_PANELS)
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
    layout.same_scale(axes if axis else axes[:-1])  # without an axis the last panel has accuracy across
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
    """The parts of `part` that agree in the columns `names`, each with its title, in the axes' order."""
    if not names:
        return [("", part)]
    order = {name: {value: at for at, value in enumerate(results.axis_values(name))} for name in names}
    groups = [
        (dict(zip(names, values, strict=True)), group) for values, group in part.groupby(names, dropna=False)
    ]
    groups.sort(key=lambda pair: [order[name].get(value, -1) for name, value in pair[0].items()])
    return [(point_title(axes), group) for axes, group in groups]

"""The figure of a sweep: its own script if there is one, or what suits any sweep; and how it is saved."""

from __future__ import annotations

import hashlib
import io
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import extras, plots, rates
from dfa_tune.analysis.figure_modules import figure_module, figure_source
from dfa_tune.planning.plan import Cell
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.results.storage import open_storage
from dfa_tune.results.store import Store

CURVE_PANELS = 4  # more points of the axes than this: final accuracies alone
FINAL_PANELS = 6


def draw(results: SweepResults) -> Figure:
    """The sweep's figure from whatever rows there are; its label is the sweep's name.

    The function `figure(results)` of `analysis/<name>.py` draws it where that exists, else `default`.
    """
    module = figure_module(results.sweep.figure_name)
    figure: Figure = (default if module is None else module.figure)(results)
    figure.set_label(results.sweep.name)
    return figure


def write(results: SweepResults, store: Store, data: str | Path | None = None) -> list[str]:
    """Draws and saves all that there is of a sweep; returns the paths: its figure, and the rates tried."""
    results = replace(results, extra=extras.made(results, store, data))
    shown = key(results)
    drawn, tried = draw(results), rates.figure(results)
    return [*save(drawn, store, key=shown), *(save(tried, store, key=shown) if tried is not None else [])]


def key(results: SweepResults) -> str:
    """What a sweep's figures were made of, in 16 hex characters: plan, rows, extra and the figure's script.

    A saved SVG carries it, and one that still fits need not be drawn again.
    """
    sweep = results.sweep
    meant = (sweep.title, [method.name for method in sweep.methods], sweep.tuning, sweep.repetitions)
    content = hashlib.sha256(repr(meant).encode() + figure_source(sweep.figure_name))
    content.update(pd.util.hash_pandas_object(results.rows, index=False).to_numpy().tobytes())
    if results.extra is not None:
        content.update(str(results.extra.to_json()).encode())
    return content.hexdigest()[:16]


def default(results: SweepResults) -> Figure:
    """Accuracy by epoch at each point of the axes, and the final accuracies; any axes, any progress.

    Before the first repetition is done, the learning rates tried so far.
    """
    ended = results.finals
    if ended.empty:
        return _tuning_so_far(results)
    look, names = plots.styles(results), results.axis_names
    points = list(_points(results.repeat_rows, names))
    curves = points if len(points) <= CURVE_PANELS else []
    axis = max(names, key=lambda name: ended[name].nunique(dropna=False), default=None)
    others = [name for name in names if name != axis]
    all_final = list(_points(ended, others))
    final = all_final[:FINAL_PANELS]
    figure, axes = plots.canvas(len(curves) + len(final), results)
    for ax, (title, part) in zip(axes, curves, strict=False):
        plots.by_epoch(ax, part, look)
        ax.set_title(title or "By epoch", fontsize=10)
    last = axes[len(curves) :]
    for ax, (title, part) in zip(last, final, strict=True):
        if axis is None:
            plots.final_by_method(ax, part, look)
        else:
            plots.final_by_axis(ax, part, axis, look)
        ax.set_title(title or "After the last epoch", fontsize=10)
    plots.same_scale(axes if axis else axes[:-1])  # without an axis the last panel has accuracy across
    left_out = len(all_final) - len(final)
    return plots.finish(figure, results, f"{left_out} more panels are left out." if left_out else "")


def save(figure: Figure, folder: str | Path | Store, name: str | None = None, key: str = "") -> list[str]:
    """Writes the figure as PNG and SVG; returns the two paths. The same figure gives the same bytes.

    `folder` is a local path, an fsspec URI, or a sweep's store: then its folder `figures`. `name` is the
    files' name without suffix; the figure's label, which `draw` sets, where it is left out. `key` goes into
    the SVG.
    """
    name = name or str(figure.get_label()) or "figure"
    paths = []
    for suffix in ("png", "svg"):
        content = rendered(figure, suffix, key)
        if isinstance(folder, Store):
            paths.append(folder.folder("figures").put(f"{name}.{suffix}", content))
        else:
            storage = open_storage(folder)
            storage.put(f"{name}.{suffix}", content)
            paths.append(storage.full(f"{name}.{suffix}"))
    return paths


def rendered(figure: Figure, suffix: str, key: str = "") -> bytes:
    """The figure as a PNG or SVG file."""
    content = io.BytesIO()
    about = {"Date": None, "Identifier": key} if suffix == "svg" else {}
    # A fixed salt and no date: SVG ids and metadata would differ from one run to the next.
    with matplotlib.rc_context({"svg.hashsalt": "dfa_tune"}):
        figure.savefig(content, format=suffix, metadata=about)
    return content.getvalue()


def _tuning_so_far(results: SweepResults) -> Figure:
    by_point = itertools.groupby(sorted(results.plan.cells, key=_point_title), key=_point_title)
    points = [(title, list(cells)) for title, cells in by_point][:FINAL_PANELS]
    figure, axes = plots.canvas(max(1, len(points)), results)
    for ax, (title, cells) in zip(axes, points, strict=False):
        plots.tuning(ax, results, plots.styles(results), cells)
        ax.set_title(title, fontsize=10)
    return plots.finish(figure, results)


def _point_title(cell: Cell) -> str:
    return ", ".join(_said(name, value) for name, value in cell.axes.items())


def _said(name: str, value: Any) -> str:
    return f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"


def _points(part: pd.DataFrame, names: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """The parts of `part` that agree in the columns `names`, each with a title that says their values."""
    if not names:
        return [("", part)]
    return [
        (", ".join(_said(name, value) for name, value in zip(names, values, strict=True)), group)
        for values, group in part.groupby(names, dropna=False)
    ]

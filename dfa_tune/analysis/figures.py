"""The figures of a sweep, and the files that they are saved in."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import budget, by_layer, extras, rates
from dfa_tune.analysis.default_figure import default
from dfa_tune.analysis.figure_modules import drawn_by, figure_module, figure_source, further_figures
from dfa_tune.learning.metrics import BY_LAYER
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.registry import FIGURES
from dfa_tune.results.storage import open_storage
from dfa_tune.results.store import Store

FORMATS = ("png", "svg")

__all__ = ["default", "draw", "key", "rendered", "save", "write"]


def draw(results: SweepResults) -> Figure:
    """The sweep's figure from whatever rows there are; its label is the sweep's name.

    A plugin of that name draws it, or the module `analysis/NAME.py` for a bundled space and its variants,
    otherwise `default` does.
    """
    if (plugin := FIGURES.plugin(results.sweep.name)) is not None:
        figure = drawn_by(plugin, results)
    else:
        module = figure_module(results.sweep)
        figure = (default if module is None else module.figure)(results)
    figure.set_label(results.sweep.name)
    return figure


def write(
    results: SweepResults,
    store: Store,
    data: str | Path | None = None,
    formats: Sequence[str] = FORMATS,
) -> list[str]:
    """Draws and saves the sweep's figure, and those of the rates tried, the tuning budget and deep networks.

    Also those that plugins add, as NAME-PLUGIN. Returns the paths.
    """
    results = replace(results, extra=extras.made(results, store, data))
    made_of = key(results)
    drawn = [draw(results), rates.figure(results), budget.figure(results), by_layer.figure(results)]
    paths = [
        path for one in drawn if one is not None for path in save(one, store, key=made_of, formats=formats)
    ]
    for plugin in further_figures(results.sweep):
        own = drawn_by(plugin, results)
        paths += save(own, store, name=f"{results.sweep.name}-{plugin.name}", formats=formats)
    return paths


def key(results: SweepResults) -> str:
    """What the figures are made of, as 16 hex characters: plan, rows, extra table and the figure's module.

    A saved SVG carries it; one whose key is still the same need not be drawn again.
    """
    sweep = results.sweep
    meant = (sweep.title, [method.name for method in sweep.methods], sweep.tuning, sweep.repetitions)
    plugin = FIGURES.plugin(sweep.name)
    drawer = figure_source(sweep.figure_name) if plugin is None else plugin.digest.encode()
    content = hashlib.sha256(repr(meant).encode() + drawer)
    # A column of lists cannot be hashed as it is: one number in a line, with the number of its row
    lists = [name for name in BY_LAYER if name in results.rows]
    plain = results.rows.drop(columns=lists)
    content.update(pd.util.hash_pandas_object(plain, index=False).to_numpy().tobytes())
    for name in lists:
        numbers = results.rows[name].explode().astype(np.float64)
        content.update(pd.util.hash_pandas_object(numbers, index=True).to_numpy().tobytes())
    if results.extra is not None:
        content.update(str(results.extra.to_json()).encode())
    return content.hexdigest()[:16]


def save(
    figure: Figure,
    folder: str | Path | Store,
    name: str | None = None,
    key: str = "",
    formats: Sequence[str] = FORMATS,
) -> list[str]:
    """Writes the figure in each of the formats; returns the paths. The same figure gives the same bytes.

    `folder` is a local path, an fsspec URI, or a sweep's store: then its folder `figures`. `name` is the
    name of the files without suffix, by default the figure's label, which `draw` sets. `key` goes into the
    SVG.
    """
    name = name or str(figure.get_label()) or "figure"
    paths: list[str] = []
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)  # once for all formats; savefig would draw each of them twice
        figure.set_layout_engine(None)
    contents = {suffix: rendered(figure, suffix, key) for suffix in formats}
    figure.set_layout_engine(layout)
    for suffix, content in contents.items():
        if isinstance(folder, Store):
            paths.append(folder.folder("figures").put(f"{name}.{suffix}", content))
        else:
            storage = open_storage(folder)
            storage.put(f"{name}.{suffix}", content)
            paths.append(storage.full(f"{name}.{suffix}"))
    return paths


def rendered(figure: Figure, suffix: str, key: str = "") -> bytes:
    """The content of the figure's PNG, SVG or PDF file."""
    content = io.BytesIO()
    about = {"svg": {"Date": None, "Identifier": key}, "pdf": {"CreationDate": None}}.get(suffix, {})
    # With a fixed salt and without a date, ids and metadata are the same in every run. Publishers refuse
    # fonts of Type 3, matplotlib's default in a PDF
    with matplotlib.rc_context({"svg.hashsalt": "dfa_tune", "pdf.fonttype": 42}):
        figure.savefig(content, format=suffix, metadata=about)
    return content.getvalue()

"""Alignment layer by layer: a table of the last recorded epoch, and a figure by epoch.

A row of results has a list for each measure, with a number for each hidden layer, the first one first. There
is no number where a norm vanishes or is not finite, and no list where the measure does not apply.
"""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dfa_tune.analysis import layout, panels
from dfa_tune.analysis.captions import about_data
from dfa_tune.analysis.default_figure import choose, point_title
from dfa_tune.analysis.styles import MARKERS, SMALL, TITLE
from dfa_tune.analysis.tables import Row, cells_in_order, named
from dfa_tune.learning.metrics import BY_LAYER
from dfa_tune.planning.sweep_results import SweepResults

MEASURES = {name: name.removesuffix("_by_layer") for name in BY_LAYER}  # columns, and their names in tables
LABELS = {
    "feedback_alignment_by_layer": "cosine of feedback and weights",
    "gradient_alignment_by_layer": "cosine of the rule's and BP's gradient",
    "gradient_norm_ratio_by_layer": "norm of the rule's gradient over BP's",
}
# Between what an interval is cut, as no value lies outside
LOWEST = dict.fromkeys(LABELS, -1.0) | {"gradient_norm_ratio_by_layer": 0.0}
HIGHEST = dict.fromkeys(LABELS, 1.0) | {"gradient_norm_ratio_by_layer": np.inf}
ROWS = 4  # of panels: methods at a point of the axes


def by_layer(results: SweepResults) -> pd.DataFrame:
    """One row for each repetition, recorded epoch and hidden layer (from 1), with a column for each measure.

    Columns: cell, trial_id, epoch, layer and BY_LAYER; NaN where there is no number.
    """
    found = []
    names = [name for name in BY_LAYER if name in results.repeat_rows]  # results of before have none
    for row in results.repeat_rows[["cell", "trial_id", "epoch", *names]].to_dict("records"):
        lists = {name: row[name] for name in names if isinstance(row[name], np.ndarray | list)}
        for layer in range(max(map(len, lists.values()), default=0)):
            values = {name: lists[name][layer] if name in lists else None for name in BY_LAYER}
            place = {name: row[name] for name in ("cell", "trial_id", "epoch")}
            found.append(place | {"layer": layer + 1} | values)
    table = pd.DataFrame(found, columns=["cell", "trial_id", "epoch", "layer", *BY_LAYER])
    return table.astype(dict.fromkeys(BY_LAYER, np.float64))


def layers_table(results: SweepResults) -> list[Row]:
    """The alignment of each hidden layer, for each method at each point of the axes, as JSON wants it.

    Keys: method, the axes, layer (from 1), n (repetitions that have it), gradient_alignment,
    gradient_norm_ratio and feedback_alignment: means over the repetitions, of each its last recorded epoch.
    None where no repetition has a number.
    """
    values = by_layer(results)
    last = values[values["epoch"] == values.groupby(["cell", "trial_id"])["epoch"].transform("max")]
    groups = dict(list(last.groupby("cell")))
    return [
        named(cell) | {"layer": layer, "n": part["trial_id"].nunique()} | _means(part)
        for index, cell in cells_in_order(results)
        if index in groups
        for layer, part in _layers(groups[index])
    ]


def _means(part: pd.DataFrame) -> Row:
    means = {short: part[name].mean() for name, short in MEASURES.items()}
    return {short: None if np.isnan(value) else float(value) for short, value in means.items()}


def figure(results: SweepResults) -> Figure | None:
    """Each measure by epoch, with a line for each hidden layer: the mean over repetitions and its interval.

    A row of panels for each method at each point of the axes, but for those that are BP. None where no
    network has several hidden layers, or nothing is recorded.
    """
    values = by_layer(results)
    cells = [
        (cell, values[values["cell"] == index])
        for index, cell in cells_in_order(results)
        if len(cell.base.network.hidden) > 1
    ]
    shown, note = choose([(cell, part) for cell, part in cells if not _is_bp(part)], ROWS)
    if not shown:
        return None
    drawing, axes = layout.canvas(3 * len(shown), results, heading="Alignment by hidden layer: ")
    layers = max(int(part["layer"].max()) for _, part in shown)
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, layers))
    for row, (cell, part) in enumerate(shown):
        title = ", ".join(filter(None, [cell.method.name, point_title(cell.axes)]))
        for column, name in enumerate(LABELS):
            ax = axes[3 * row + column]
            for layer, one in _layers(part.dropna(subset=[name])):
                at = layer - 1
                line = panels.curve(one, name)
                style = {"color": shades[at], "marker": MARKERS[at % len(MARKERS)], "markersize": 4}
                ax.plot(line.index, line["mean"], linewidth=1.4, **style)
                low, high = line["low"].clip(lower=LOWEST[name]), line["high"].clip(upper=HIGHEST[name])
                ax.fill_between(line.index, low, high, color=shades[at], alpha=0.15, linewidth=0)
            ax.set_title(title, fontsize=TITLE, parse_math=False)
            ax.set_xlabel("epoch")
            panels.whole_epochs(ax)
            panels.dress(ax, results, name, empty=not ax.lines, what="measurement")
            ax.set_ylabel(LABELS[name])
    handles = [
        Line2D(
            [], [], color=shades[at], marker=MARKERS[at % len(MARKERS)], ms=5, label=f"hidden layer {at + 1}"
        )
        for at in range(layers)
    ]
    drawing.legend(handles=handles, loc="outside right center", fontsize=SMALL)
    drawing.set_label(f"{results.sweep.name}-layers")
    repetitions = max(part["trial_id"].nunique() for _, part in shown)
    words = f"n = {repetitions}: mean and 95% interval (Student's t), cut where no value can be."
    return layout.caption_below(drawing, f"{words} {about_data(results)} {note}")


def _layers(part: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    """The rows of each hidden layer, from 1."""
    return ((layer, part[part["layer"] == layer]) for layer in sorted(part["layer"].unique().tolist()))


def _is_bp(part: pd.DataFrame) -> bool:
    """Whether the gradient is backpropagation's in every layer, or nothing is recorded of it."""
    cosines = part["gradient_alignment_by_layer"].dropna()
    return bool((cosines > 1 - 1e-6).all())

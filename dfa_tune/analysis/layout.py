"""A figure around its panels: their arrangement, the title, the legend and the caption.

Figures are matplotlib Figure objects; pyplot and its global state are never used.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dfa_tune.analysis.captions import caption
from dfa_tune.analysis.styles import GREY, SMALL, styles
from dfa_tune.planning.sweep_results import SweepResults


def canvas(panels: int, results: SweepResults, heading: str = "") -> tuple[Figure, list[Axes]]:
    """An empty figure with `panels` panels, at most three in a row, under `heading` and the sweep's title."""
    columns = 2 if panels == 4 else min(panels, 3)
    rows = -(-panels // columns)
    methods = len({cell.method for cell in results.plan.cells})
    height = max(3.4, 1 + 0.3 * methods)  # inches; a panel may have a line of text for each method
    figure = Figure(figsize=(3.9 * columns + 2.2, height * rows + 1.1), dpi=150)
    figure.set_layout_engine("constrained", wspace=0.06, hspace=0.06)
    axes: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for unused in axes[panels:]:
        unused.remove()
    title = _wrapped(heading + results.sweep.title, figure.get_figwidth() * 9)
    figure.suptitle(title, fontsize=12, parse_math=False)  # a stranger's "$" starts no formula
    return figure, axes[:panels]


def finish(figure: Figure, results: SweepResults, note: str = "") -> Figure:
    """Adds the legend beside the panels, and the caption with `note` below them; returns the figure."""
    handles = [
        Line2D([], [], color=style.color, linestyle=style.linestyle, marker=style.marker, ms=5, label=name)
        for name, style in styles(results).items()
    ]
    chance = ", ".join(f"{level:g}" for level in results.chance)
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, label=f"chance ({chance})"))
    figure.legend(handles=handles, loc="outside right center", fontsize=SMALL, handlelength=3.4)
    crosses = [line for ax in figure.axes for line in ax.lines if line.get_marker() == "x"]
    if any(np.size(line.get_xdata()) for line in crosses):
        note = f"A cross marks a trial that diverged, or fell back towards chance. {note}"
    return caption_below(figure, f"{caption(results)} {note}")


def caption_below(figure: Figure, words: str) -> Figure:
    """Sets the caption, in lines as wide as the figure; returns the figure."""
    lines = _wrapped(words.strip(), figure.get_figwidth() * 14)
    figure.supxlabel(lines, fontsize=SMALL, color="0.25", parse_math=False)
    return figure


def same_scale(axes: Sequence[Axes]) -> None:
    """Gives the panels that show something one vertical range, which holds what each of them shows."""
    axes = [ax for ax in axes if ax.lines]
    if not axes:
        return
    limits = np.array([ax.get_ylim() for ax in axes])
    for ax in axes:
        ax.set_ylim(limits[:, 0].min(), limits[:, 1].max())


def _wrapped(text: str, width: float) -> str:
    """The text in lines of about `width` characters. "k = 3" stays on one line: its spaces do not break."""
    return textwrap.fill(_printable(text).replace(" = ", "\u00a0=\u00a0"), int(width))


def _printable(text: str) -> str:
    """The text with a replacement character for what no font can draw: control characters and the like."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)

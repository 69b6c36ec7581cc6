"""The size and the fonts of a figure that goes into a paper: as wide as a column, its text legible in print.

There is no title and no caption in it, as a paper sets its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLUMN = (
    3.25  # inches: a column of a paper with two; the text of one with a single column is 5.5 to 6.75 wide
)
PANEL = 1.5  # inches, at least, for each panel beside another
FONTS: dict[Any, float] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


@contextmanager
def fonts() -> Iterator[None]:
    """While this is open, what is drawn has these fonts and lines, in points."""
    with matplotlib.rc_context(FONTS):
        yield


def canvas(panels: int, width: float) -> tuple[Figure, list[Axes]]:
    """An empty figure `width` inches wide with so many panels, as many in a row as have room there."""
    rows = -(-panels // min(4, max(1, int(width / PANEL))))
    columns = -(-panels // rows)
    height = min(2.6, max(1.5, 0.75 * width / columns))
    figure = Figure(figsize=(width, rows * height + 0.3), dpi=300)
    figure.set_layout_engine("constrained")
    axes: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for unused in axes[panels:]:
        unused.remove()
    return figure, axes[:panels]


def legend_above(figure: Figure, axes: list[Axes]) -> None:
    """One legend for all panels, above them, with each label once."""
    found = {label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if found:
        columns = max(1, int(figure.get_figwidth() / 1.6))
        figure.legend(
            list(found.values()), list(found), loc="outside upper center", ncols=columns, frameon=False
        )

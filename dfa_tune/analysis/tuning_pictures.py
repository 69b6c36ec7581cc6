"""The score of every learning rate that was tried, as the report draws it: coordinates of SVG elements."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from dfa_tune.analysis.claim_pictures import Box
from dfa_tune.analysis.tables import Row, tried_table
from dfa_tune.planning.sweep_results import SweepResults

BOX = Box(240, 150, left=38, right=10, top=10, bottom=24)
TICKS = 3  # heights that are labelled


@dataclass(frozen=True)
class TriedRate:
    """A learning rate: its place in the picture, and what is said of it. A diverged one is at the bottom."""

    x: float
    y: float
    said: str
    chosen: bool
    diverged: bool


@dataclass(frozen=True)
class Curve:
    """The tuning of a method at a point of the axes, in the units of the box.

    line: a line through the scores that are numbers, but for stopped settings; ticks: heights and their
    labels; rates: the places of the lowest and the highest rate and their labels; chosen: the chosen rate as
    text, "" where none is yet
    """

    title: str
    box: Box
    line: str
    points: list[TriedRate]
    ticks: list[tuple[float, str]]
    rates: list[tuple[float, str]]
    chosen: str


def curves(results: SweepResults, box: Box = BOX) -> list[Curve]:
    """A picture for each method and point whose rate is tuned and of which a rate has a score, in order.

    Learning rates are on a logarithmic scale from a method's lowest to its highest. The scale of the scores
    is the same in all pictures.
    """
    groups: dict[str, list[Row]] = {}
    for row in tried_table(results):
        groups.setdefault(_title(row), []).append(row)
    scores = [row["score"] for rows in groups.values() for row in rows if row["score"] is not None]
    bottom, top = (min(scores), max(scores)) if scores else (0.0, 1.0)
    margin = 0.08 * (top - bottom) or 0.05
    return [_curve(title, rows, box, bottom - margin, top + margin) for title, rows in groups.items()]


def _title(row: Row) -> str:
    keys = list(row)
    axes = keys[1 : keys.index("learning_rate")]
    return ", ".join([row["method"], *(f"{name} = {row[name]}" for name in axes)])


def _curve(title: str, rows: list[Row], box: Box, bottom: float, top: float) -> Curve:
    rates = [math.log(row["learning_rate"]) for row in rows]
    low, high = min(rates), max(rates)
    width, height = box.width - box.left - box.right, box.height - box.top - box.bottom

    def x(rate: float) -> float:
        return box.left + width * ((rate - low) / (high - low) if high > low else 0.5)

    def y(score: float) -> float:
        return box.height - box.bottom - height * (score - bottom) / (top - bottom)

    points = [
        TriedRate(
            x=x(rate),
            y=box.height - box.bottom if row["score"] is None else y(row["score"]),
            said=f"{row['learning_rate']:g}: "
            + ("diverged" if row["score"] is None else f"{row['score']:.3f}")
            + (" (chosen)" if row["chosen"] else "")
            + (f" (stopped after epoch {row['stopped_after']})" if row.get("stopped_after") else ""),
            chosen=row["chosen"],
            diverged=row["score"] is None,
        )
        for rate, row in zip(rates, rows, strict=True)
    ]
    heights = np.array(MaxNLocator(TICKS).tick_values(bottom, top))
    ends = [rows[0], rows[-1]] if len(rows) > 1 else rows
    return Curve(
        title=title,
        box=box,
        line=" ".join(
            f"{point.x:.1f},{point.y:.1f}"
            for point, row in zip(points, rows, strict=True)
            if not point.diverged and row.get("stopped_after") is None
        ),
        points=points,
        ticks=[(y(float(tick)), f"{tick:.3g}") for tick in heights if bottom <= tick <= top],
        rates=[(x(math.log(row["learning_rate"])), f"{row['learning_rate']:g}") for row in ends],
        chosen=next((f"{row['learning_rate']:g}" for row in rows if row["chosen"]), ""),
    )

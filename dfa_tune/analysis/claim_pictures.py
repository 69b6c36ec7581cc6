"""The confidence sequences of claims against n, as the report draws them: coordinates of SVG elements.

Drawing some fifty claims with matplotlib would take many seconds and megabytes; these take neither.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from dfa_tune.analysis.claim_evidence import bounds, is_ratio
from dfa_tune.analysis.claim_values import Floats
from dfa_tune.analysis.judging import Judged, shown


@dataclass(frozen=True)
class Box:
    """The size of a picture, and the margins around its plot, in the units of its viewBox."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


SMALL = Box(160, 84, left=4, right=4, top=4, bottom=4)
FULL = Box(640, 320, left=64, right=16, top=12, bottom=40)


@dataclass(frozen=True)
class Picture:
    """What is drawn, in the units of the viewBox.

    band: the interval after each repetition, as the points of a polygon; mean: a line of points; bounds: the
    heights of the claim's bounds; ticks, n_ticks: places and labels of the vertical and the horizontal axis
    """

    box: Box
    band: str
    mean: str
    last: tuple[float, float]
    bounds: list[float]
    ticks: list[tuple[float, str]]
    n_ticks: list[tuple[float, str]]


def picture(one: Judged, box: Box) -> Picture | None:
    """The picture of a claim; None if there are no repetitions to draw.

    The vertical range shows the bounds, the mean and the latest interval; what lies beyond is cut. Ratios are
    on a logarithmic scale.
    """
    found = one.evidence
    if found is None or one.measured is None or len(found.low) == 0:
        return None
    scale = (lambda x: np.log(np.maximum(x, 1e-12))) if is_ratio(one.claim) else np.asarray
    ends = np.asarray(scale(np.array(bounds(one.claim))))
    low, high, means = (np.asarray(scale(part)) for part in (found.low, found.high, found.means))
    latest = [float(part[-1]) for part in (low, high, means) if math.isfinite(part[-1])]
    span = [*ends.tolist(), *(latest if one.low is not None else [float(means[-1])])]
    margin = 0.15 * (max(span) - min(span)) or 0.1
    bottom, top = min(span) - margin, max(span) + margin
    n = np.arange(1, len(low) + 1, dtype=np.float64)

    def x(numbers: Floats) -> Floats:
        return np.asarray(box.left + (numbers - 1) / max(len(n) - 1, 1) * (box.width - box.left - box.right))

    def y(heights: Floats) -> Floats:
        share = (np.clip(heights, bottom, top) - bottom) / (top - bottom)
        return np.asarray(box.height - box.bottom - share * (box.height - box.top - box.bottom))

    drawn = np.isfinite(means)
    band = [*zip(x(n), y(low), strict=True), *zip(x(n)[::-1], y(high)[::-1], strict=True)]
    located = np.array(MaxNLocator(5).tick_values(bottom, top))
    ticks = located[(located >= bottom) & (located <= top)]
    labels = [shown(math.exp(tick)) if is_ratio(one.claim) else f"{tick:.6g}" for tick in ticks]
    whole = [tick for tick in MaxNLocator(8, integer=True).tick_values(1, len(n)) if 1 <= tick <= len(n)]
    return Picture(
        box=box,
        band=_points(band),
        mean=_points(list(zip(x(n[drawn]), y(means[drawn]), strict=True))),
        last=(float(x(n)[-1]), float(y(means[-1:])[0])),
        bounds=[float(height) for height in y(ends)],
        ticks=list(zip(y(ticks).tolist(), labels, strict=True)),
        n_ticks=[(float(x(np.array(tick))), f"{tick:g}") for tick in whole],
    )


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)

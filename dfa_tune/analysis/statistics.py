"""Intervals and tests of means and spreads: pure functions, values in, numbers out.

They use SciPy's distribution functions directly. Importing `scipy.stats` takes eight times as long as
`scipy.special`, and its t test warns of equal values, which are nothing unusual here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, fdtri, stdtr, stdtrit

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean and its interval, in the unit of the values; `low`, `high` and `sd` are None at n = 1."""

    mean: float
    low: float | None
    high: float | None
    sd: float | None
    n: int


def t_interval(values: Sequence[float] | Floats, confidence: float = 0.95) -> Interval:
    """Student's t interval of the mean of independent `values`: mean +- t s / sqrt(n).

    `sd` is that of the sample, with n - 1 in the denominator. Raises ValueError if a value is not finite, or
    if there is none.
    """
    sample = _checked(values)
    mean, sd, n = float(sample.mean()), _sd(sample), len(sample)
    if sd is None:
        return Interval(mean=mean, low=None, high=None, sd=None, n=n)
    half = float(t_half_width(np.float64(sd), n, confidence))
    return Interval(mean=mean, low=mean - half, high=mean + half, sd=sd, n=n)


def t_half_width(sd: Floats | np.float64, n: int, confidence: float = 0.95) -> Floats:
    """Half the width of Student's t interval for standard deviations of any shape, each of n >= 2 values."""
    return np.asarray(sd * stdtrit(n - 1, (1 + confidence) / 2) / np.sqrt(n))


def _checked(values: Sequence[float] | Floats) -> Floats:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) == 0 or not np.isfinite(sample).all():
        raise ValueError(f"an interval needs finite numbers, at least one; got {values!r}")
    return sample


def _sd(sample: Floats) -> float | None:
    return float(sample.std(ddof=1)) if len(sample) > 1 else None


def p_above(values: Sequence[float] | Floats, bound: float) -> float | None:
    """The p-value of Student's one-sided t test that the mean is above `bound`; None for a single value.

    The p-value that the mean is below is 1 - p_above. Equal values decide without doubt, to either side.
    """
    sample = _checked(values)
    sd, beyond = _sd(sample), float(sample.mean()) - bound
    if sd is None:
        return None
    if sd == 0:
        return 0.0 if beyond > 0 else 1.0 if beyond < 0 else 0.5
    return float(stdtr(len(sample) - 1, -beyond / sd * np.sqrt(len(sample))))


def p_within(values: Sequence[float] | Floats, centre: float, margin: float) -> tuple[float, float] | None:
    """The p-values that the mean is within centre +- margin, and that it is not; None for a single value.

    The first is that of an equivalence test by two one-sided t tests (Schuirmann 1987). The second is twice
    the smaller one of the p-values that the mean is beyond one of the ends.
    """
    low, high = p_above(values, centre - margin), p_above(values, centre + margin)
    if low is None or high is None:
        return None
    return max(low, 1 - high), min(1.0, 2 * min(1 - low, high))


@dataclass(frozen=True, kw_only=True)
class SpreadRatio:
    """The ratio of two standard deviations, its 95% interval, and the p-value that it is above 1."""

    ratio: float
    low: float
    high: float
    p: float


def spread_ratio(
    over: Sequence[Sequence[float]], under: Sequence[Sequence[float]], confidence: float = 0.95
) -> SpreadRatio | None:
    """How much more the values of the groups `over` vary around their group's mean than those of `under`.

    Variances are pooled over the groups and compared by an F test. None if a side has no group of at least
    two values, or does not vary at all.
    """
    (above, df_above), (below, df_below) = _pooled(over), _pooled(under)
    if not above or not below:
        return None
    ratio, tail = above / below, (1 - confidence) / 2
    return SpreadRatio(
        ratio=float(np.sqrt(ratio)),
        low=float(np.sqrt(ratio / fdtri(df_above, df_below, 1 - tail))),
        high=float(np.sqrt(ratio / fdtri(df_above, df_below, tail))),
        p=float(fdtrc(df_above, df_below, ratio)),
    )


def _pooled(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """The variance within groups, and its degrees of freedom; both are 0 if no group has two values."""
    samples = [_checked(group) for group in groups if len(group) > 1]
    freedom = sum(len(sample) - 1 for sample in samples)
    squares = sum(float(((sample - sample.mean()) ** 2).sum()) for sample in samples)
    return (squares / freedom if freedom else 0.0), freedom


def holm(p_values: Sequence[float]) -> list[float]:
    """The adjusted p-values of Holm (1979), in the order given.

    If all statements with an adjusted p-value below 0.05 are called true, the probability that any of them is
    false is at most 0.05.
    """
    adjusted, so_far = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = so_far
    return adjusted

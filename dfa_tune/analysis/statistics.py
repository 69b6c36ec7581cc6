"""Intervals of a mean and tests of it: pure functions, values in, numbers out.

With three repetitions a percentile bootstrap is just [min, max] and covers 75%; Student's t is the
default, and the bootstrap stands beside it for more repetitions.
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

    `sd` is the sample's (n - 1 in the denominator). Raises ValueError where a value is not finite or
    there is none.
    """
    sample = _checked(values)
    mean, sd, n = float(sample.mean()), _sd(sample), len(sample)
    if sd is None:
        return Interval(mean=mean, low=None, high=None, sd=None, n=n)
    half = float(t_half_width(np.float64(sd), n, confidence))
    return Interval(mean=mean, low=mean - half, high=mean + half, sd=sd, n=n)


def t_half_width(sd: Floats | np.float64, n: int, confidence: float = 0.95) -> Floats:
    """Half the width of Student's t interval, of any shape that `sd` has; n values each, n >= 2."""
    return np.asarray(sd * stdtrit(n - 1, (1 + confidence) / 2) / np.sqrt(n))


def bootstrap_interval(
    values: Sequence[float] | Floats, seed: int = 0, resamples: int = 10_000, confidence: float = 0.95
) -> Interval:
    """Percentile bootstrap interval of the mean; the same `seed` gives the same bounds.

    Raises ValueError where a value is not finite or there is none. Too narrow for few values: see
    this module's docstring.
    """
    sample = _checked(values)
    mean, sd, n = float(sample.mean()), _sd(sample), len(sample)
    if sd is None:
        return Interval(mean=mean, low=None, high=None, sd=None, n=n)
    chosen = np.random.default_rng(seed).integers(n, size=(resamples, n))
    tail = (1 - confidence) / 2
    low, high = np.quantile(sample[chosen].mean(axis=1), [tail, 1 - tail])
    return Interval(mean=mean, low=float(low), high=float(high), sd=sd, n=n)


def _checked(values: Sequence[float] | Floats) -> Floats:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) == 0 or not np.isfinite(sample).all():
        raise ValueError(f"an interval needs finite numbers, at least one; got {values!r}")
    return sample


def _sd(sample: Floats) -> float | None:
    return float(sample.std(ddof=1)) if len(sample) > 1 else None


def p_above(values: Sequence[float] | Floats, bound: float) -> float | None:
    """One-sided p-value of Student's t test: small where the mean is above `bound`; None for one value.

    1 - p_above is the p-value that the mean is below. Equal values decide without doubt, to either side.
    """
    sample = _checked(values)
    sd, beyond = _sd(sample), float(sample.mean()) - bound
    if sd is None:
        return None
    if sd == 0:
        return 0.0 if beyond > 0 else 1.0 if beyond < 0 else 0.5
    return float(stdtr(len(sample) - 1, -beyond / sd * np.sqrt(len(sample))))


def p_within(values: Sequence[float] | Floats, centre: float, margin: float) -> tuple[float, float] | None:
    """Equivalence by two one-sided t tests: (p that the mean is within centre +- margin, p that it is not).

    Small p says yes. Schuirmann 1987; the second is twice the smaller one-sided p-value of a mean beyond
    one of the bounds. None for one value.
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
    """How much more the groups of `over` vary around their own means than those of `under`.

    Variances are pooled over the groups and compared by an F test. None where a side has no group of two
    values, or does not vary at all.
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
    """The variance within groups, and its degrees of freedom; 0 where no group has two values."""
    samples = [_checked(group) for group in groups if len(group) > 1]
    freedom = sum(len(sample) - 1 for sample in samples)
    squares = sum(float(((sample - sample.mean()) ** 2).sum()) for sample in samples)
    return (squares / freedom if freedom else 0.0), freedom


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given (Holm 1979).

    Calling those below 0.05 true errs in any of them with a probability of at most 0.05.
    """
    adjusted, so_far = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = so_far
    return adjusted

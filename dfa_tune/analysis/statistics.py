"""Intervals of a mean: pure functions, values in, numbers out.

With three repetitions a percentile bootstrap is just [min, max] and covers 75%; Student's t is the
default, and the bootstrap stands beside it for more repetitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

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

"""Intervals of means, and the correction for several tests: pure functions, values in, numbers out.

They use SciPy's distribution functions directly. Importing `scipy.stats` takes eight times as long as
`scipy.special`, and its t test warns of equal values, which are nothing unusual here.
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

"""Tests and intervals that hold at every look: repetitions may be added until a question is decided.

An ordinary p-value holds for one number of repetitions that was fixed beforehand. Looking after every
repetition, and stopping when it is small, errs far more often. The p-values here are running minima: the
probability that one ever falls to `alpha`, although nothing is there, is at most `alpha`, however often one
looks and for whatever reason one stops (Ville's inequality).

Assumptions: the values are independent and come from one normal distribution, whose spread need not be known.
By simulation the error also holds for uniform and for moderately skewed values. Rare values far away from all
others break it, as they break every t test.

References: Lai, "On confidence sequences", Annals of Statistics 4, 1976; Wang and Ramdas, "Anytime-valid
t-tests and confidence sequences for Gaussian means with unknown variance", arXiv 2310.03722.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, betaln

Floats = NDArray[np.float64]
EFFECT_VARIANCE = 9.0  # g: effects of about three standard deviations are decided fastest


def running_p(values: ArrayLike, bound: float = 0.0) -> Floats:
    """The p-value that the mean is above `bound`, after each of the n values; values and result (..., n).

    With t_m Student's t of the first m values, nu = m - 1 and g = EFFECT_VARIANCE,

        E_m = (1 + m g)^(-1/2) [(1 + t_m^2 / nu) / (1 + t_m^2 / (nu (1 + m g)))]^(m/2)
        p_n = min(1, min over 2 <= m <= n with t_m > 0 of 1 / (2 E_m - 1)), where 2 E_m > 1.

    E_m is the Bayes factor of effects (mean / sd) from N(0, g) against none. That of positive effects alone
    is 2 E_m - E-, with E- <= 1 where t_m >= 0. It is a test martingale if the mean equals the bound, and
    shrinks if the mean is below. The p-value that the mean is below the bound is not 1 - p, but the running p
    of the negated values.
    """
    log_factor, above = _log_bayes_factors(np.asarray(values, dtype=np.float64) - bound)
    inverse = np.exp(-log_factor)  # 1 / E_m, which does not overflow
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(above & (inverse < 2), inverse / (2 - inverse), 1.0)
    return np.asarray(np.minimum.accumulate(np.minimum(p, 1.0), axis=-1))


@dataclass(frozen=True)
class ConfidenceSequence:
    """An interval of the mean after each of n values, each of shape (..., n); infinite while it is unbounded.

    Later intervals lie within earlier ones. One that is empty (`low` above `high`) says that an assumption is
    violated, or that this was one of the rare errors.
    """

    low: Floats
    high: Floats


def confidence_sequence(values: ArrayLike, alpha: float = 0.05) -> ConfidenceSequence:
    """Intervals that all contain the mean, with an error of at most `alpha` on each side; values (..., n).

    They are the bounds that `running_p` does not reject at `alpha`: intersected over n,

        mean +- s / sqrt(n) sqrt((n - 1) (K - 1) / (1 - K / (1 + n g))),
        K = ((1 + n g) / a^2)^(1/n), a = 2 alpha / (1 + alpha), unbounded where K >= 1 + n g.
    """
    n, mean, squares = _moments(np.asarray(values, dtype=np.float64))
    prior = 1 + n * EFFECT_VARIANCE
    k = (prior * ((1 + alpha) / (2 * alpha)) ** 2) ** (1 / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        # s / sqrt(n) sqrt(n - 1) is the root of the mean square
        half = np.where(k < prior, np.sqrt(squares / n * (k - 1) / (1 - k / prior)), np.inf)
    return ConfidenceSequence(
        low=np.asarray(np.maximum.accumulate(mean - half, axis=-1)),
        high=np.asarray(np.minimum.accumulate(mean + half, axis=-1)),
    )


def running_p_within(values: ArrayLike, centre: float, margin: float) -> tuple[Floats, Floats]:
    """The p-values that the mean is within centre +- margin, and that it is not; each of shape (..., n).

    The first is the larger one of the p-values of the two sides; the second is twice the smaller one of the
    p-values that the mean is beyond one of the ends.
    """
    sample = np.asarray(values, dtype=np.float64)
    low, high = centre - margin, centre + margin
    inside = np.maximum(running_p(sample, low), running_p(-sample, -high))
    outside = 2 * np.minimum(running_p(-sample, -low), running_p(sample, high))
    return np.asarray(inside), np.asarray(np.minimum(outside, 1.0))


def p_each(parts: Sequence[ArrayLike]) -> Floats:
    """The p-value that all of several statements are true, from the p-values of each: the largest."""
    return np.asarray(np.max(np.asarray(parts, dtype=np.float64), axis=0))


def p_any(parts: Sequence[ArrayLike]) -> Floats:
    """The p-value that one of several statements is true: their number times the smallest (Bonferroni)."""
    smallest = np.min(np.asarray(parts, dtype=np.float64), axis=0)
    return np.asarray(np.minimum(len(parts) * smallest, 1.0))


def expected_repetitions(effect: float, level: float, most: int = 1000) -> int | None:
    """About how many repetitions decide an effect of so many standard deviations at `level`.

    It is the number at which t, were it effect sqrt(n), gives p <= level; None above `most`, or if the effect
    is not positive.
    """
    if not effect > 0:
        return None
    n = np.arange(2, most + 1, dtype=np.float64)
    # t^2 / nu for this mean, with the sum of squares that belongs to a standard deviation of 1
    inverse = np.exp(-_log_factor(n, n * effect**2 / (n - 1)))
    decided = inverse / np.maximum(2 - inverse, 1e-300) <= level
    return int(n[decided.argmax()]) if decided.any() else None


def paired_log_spread(groups: Sequence[ArrayLike], smallest: float) -> Floats:
    """How much values differ between repetitions: log |x_(2j-1) - x_(2j)|, averaged over the groups.

    groups: the values of each method, by repetition; a last one without a partner is left out. smallest: what
    counts in place of a smaller difference, such as half a test tuple: 0.5 / test_samples. The result has one
    value per pair. To test whether one set of methods fluctuates more than another, take `running_p` of the
    difference of their results.
    """
    pairs = min(len(np.asarray(group)) for group in groups) // 2
    logs = [
        np.log(
            np.maximum(
                np.abs(np.diff(np.reshape(np.asarray(group, float)[: 2 * pairs], (pairs, 2)))), smallest
            )
        )
        for group in groups
    ]
    return np.asarray(np.mean(logs, axis=0)[:, 0], dtype=np.float64)


def running_p_rare(seen: Sequence[bool] | NDArray[np.bool_], share: float) -> Floats:
    """The p-value that something happens in less than `share` of the repetitions, after each of n: (n,).

    With k seen in n and q = share, p_n is the running minimum of 1/E, where

        E = integral from 0 to q of p^k (1 - p)^(n - k) dp / (q q^k (1 - q)^(n - k)):

    a uniform mixture of shares below q against q itself. It is a test martingale at q and shrinks above it.
    """
    k = np.cumsum(np.asarray(seen, dtype=np.float64))
    n = np.arange(1, len(k) + 1, dtype=np.float64)
    with np.errstate(divide="ignore"):
        mixture = np.log(betainc(k + 1, n - k + 1, share)) + betaln(k + 1, n - k + 1)
    log_e = mixture - (k + 1) * np.log(share) - (n - k) * np.log1p(-share)
    return np.asarray(np.minimum.accumulate(np.minimum(np.exp(-log_e), 1.0)))


def share_interval(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval of a share of which `count` in `n` were seen, for one look."""
    tail = (1 - confidence) / 2
    low = betaincinv(count, n - count + 1, tail) if count else 0.0
    high = betaincinv(count + 1, n - count, 1 - tail) if count < n else 1.0
    return float(low), float(high)


def _moments(sample: Floats) -> tuple[Floats, Floats, Floats]:
    """n = 1, 2, ..., and the mean and the sum of squared deviations of the first n values."""
    n = np.arange(1, sample.shape[-1] + 1, dtype=np.float64)
    # Relative to the first value, so that a spread far smaller than the mean keeps its digits
    from_first = sample - sample[..., :1]
    mean = np.cumsum(from_first, axis=-1) / n
    squares = np.maximum(np.cumsum(from_first**2, axis=-1) - n * mean**2, 0.0)
    return n, sample[..., :1] + mean, squares


def _log_bayes_factors(sample: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """log E_n after each value, 0 after the first, and whether t_n is positive."""
    n, mean, squares = _moments(sample)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(mean == 0, 0.0, n * mean**2 / squares)  # t^2 / nu; infinite if all values are equal
    return np.where(n > 1, _log_factor(n, ratio), 0.0), mean > 0


def _log_factor(n: Floats, ratio: Floats) -> Floats:
    """log E_n from t_n^2 / nu, which may be infinite."""
    prior = 1 + n * EFFECT_VARIANCE
    with np.errstate(invalid="ignore"):
        exponent = np.where(np.isinf(ratio), np.log(prior), np.log1p(ratio) - np.log1p(ratio / prior))
    return np.asarray(n / 2 * exponent - np.log(prior) / 2)

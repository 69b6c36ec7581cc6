"""Intervals against SciPy, and against numbers worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from dfa_tune.analysis.statistics import bootstrap_interval, t_interval


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_t_interval_is_scipys(n: int, confidence: float) -> None:
    values = np.random.default_rng(n).normal(0.7, 0.1, n)
    low, high = stats.t.interval(confidence, n - 1, loc=values.mean(), scale=stats.sem(values))
    found = t_interval(values, confidence)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert found.n == n
    assert found.mean == pytest.approx(values.mean())
    assert found.sd == pytest.approx(stats.tstd(values))


def test_three_values_have_an_interval_of_2_48_standard_deviations_each_side() -> None:
    found = t_interval([1.0, 2.0, 3.0])  # mean 2, standard deviation 1; t(0.975, 2) = 4.30265
    assert found.mean == 2
    assert found.sd == 1
    assert found.high == pytest.approx(2 + 4.302652729911275 / np.sqrt(3))


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = t_interval([0.5, 0.5, 0.5])
    assert (found.low, found.high) == (0.5, 0.5)


@pytest.mark.parametrize("interval", [t_interval, bootstrap_interval])
def test_one_value_has_a_mean_and_no_interval(interval) -> None:
    found = interval([0.8])
    assert (found.mean, found.low, found.high, found.sd, found.n) == (0.8, None, None, None, 1)


@pytest.mark.parametrize("interval", [t_interval, bootstrap_interval])
@pytest.mark.parametrize("values", [[], [0.5, np.nan], [np.inf, 1.0]])
def test_values_without_a_mean_are_refused(interval, values) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        interval(values)


def test_the_bootstrap_of_three_values_is_their_range() -> None:
    # A resample is all-lowest with probability 1/27 = 3.7%, more than the 2.5% of a tail.
    found = bootstrap_interval([0.7, 0.75, 0.9])
    assert (found.low, found.high) == pytest.approx((0.7, 0.9))


def test_the_bootstrap_agrees_with_scipys_for_many_values() -> None:
    values = np.random.default_rng(1).normal(0.7, 0.1, 60)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    found = bootstrap_interval(values)
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.05 * values.std())


def test_the_bootstrap_depends_on_its_seed_alone() -> None:
    values = np.random.default_rng(1).normal(size=20)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)

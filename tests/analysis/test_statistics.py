"""Intervals and corrections against SciPy, and against numbers worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from dfa_tune.analysis.statistics import holm, t_interval


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


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = t_interval([0.8])
    assert (found.mean, found.low, found.high, found.sd, found.n) == (0.8, None, None, None, 1)


@pytest.mark.parametrize("values", [[], [0.5, np.nan], [np.inf, 1.0]])
def test_values_without_a_mean_are_refused(values) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        t_interval(values)


def test_holms_adjusted_p_values_are_those_of_his_procedure() -> None:
    # 4 tests: 0.01 x 4, 0.02 x 3, then never below the one before, and at most 1
    assert holm([0.02, 0.8, 0.01, 0.021]) == pytest.approx([0.06, 0.8, 0.04, 0.06])
    assert holm([]) == []

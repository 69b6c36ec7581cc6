"""Tests of means and spreads against SciPy's and against tables worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from dfa_tune.analysis.statistics import holm, p_above, p_within, spread_ratio

SAMPLE = [0.71, 0.74, 0.69, 0.72]


def test_one_sided_p_values_are_scipys() -> None:
    for bound in (0.6, 0.7, 0.8):
        expected = stats.ttest_1samp(SAMPLE, bound, alternative="greater").pvalue
        assert p_above(SAMPLE, bound) == pytest.approx(expected, rel=1e-9)


def test_one_value_says_nothing_and_equal_values_say_all() -> None:
    assert p_above([0.7], 0.5) is None
    assert p_within([0.7], 0.7, 0.1) is None
    assert p_above([0.7, 0.7], 0.5) == 0.0
    assert p_above([0.7, 0.7], 0.8) == 1.0


def test_equivalence_is_the_worse_of_two_one_sided_tests() -> None:
    holds, fails = p_within(SAMPLE, 0.7, 0.05)
    low = stats.ttest_1samp(SAMPLE, 0.65, alternative="greater").pvalue
    high = stats.ttest_1samp(SAMPLE, 0.75, alternative="less").pvalue
    assert holds == pytest.approx(max(low, high))
    assert fails > 0.5
    assert p_within(SAMPLE, 0.5, 0.05)[1] < 0.01  # far outside


def test_spreads_are_compared_by_the_f_test_of_the_variances_within_groups() -> None:
    wide, narrow = [[0.1, 0.5, 0.9], [10.0, 10.4, 10.8]], [[0.1, 0.2, 0.3], [5.0, 5.1, 5.2]]
    found = spread_ratio(wide, narrow)
    assert found.ratio == pytest.approx(4)
    assert found.p == pytest.approx(stats.f.sf(16, 4, 4))
    assert found.low == pytest.approx(4 / np.sqrt(stats.f.ppf(0.975, 4, 4)))
    assert found.low < 4 < found.high
    assert spread_ratio([[1.0]], narrow) is None


def test_holms_adjusted_p_values_are_those_of_his_procedure() -> None:
    # 4 tests: 0.01 x 4, 0.02 x 3, then never below the one before, and at most 1
    assert holm([0.02, 0.8, 0.01, 0.021]) == pytest.approx([0.06, 0.8, 0.04, 0.06])
    assert holm([]) == []

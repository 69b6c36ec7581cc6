"""Learning rates in their three forms."""

from __future__ import annotations

import numpy as np

from dfa_tune.planning.sweep import Sweep


def rates(sweep: Sweep) -> tuple[float, ...]:
    return sweep.rates[sweep.methods[0]]


def test_a_range_is_log_spaced_to_six_digits(load) -> None:
    found = rates(load(learning_rates={"sgd": {"low": 1e-3, "high": 1.0, "points": 10}}))
    np.testing.assert_allclose(found, np.geomspace(1e-3, 1, 10), rtol=5e-6)
    assert found[1] == 0.00215443


def test_a_list_of_rates_is_sorted_and_each_is_tried_once(load) -> None:
    assert rates(load(learning_rates={"sgd": [0.3, 0.1, 0.3]})) == (0.1, 0.3)


def test_one_number_is_the_rate(load) -> None:
    assert rates(load(learning_rates={"sgd": 0.5})) == (0.5,)

"""Learning rates in their three forms, and repetitions in their two."""

from __future__ import annotations

import numpy as np

from dfa_tune.config.schema import HalfWidth
from dfa_tune.planning.sweep import Repetitions, Sweep


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


def test_a_number_of_repetitions_is_exactly_so_many(load) -> None:
    assert load(repetitions=4).repetitions == Repetitions(min=4, max=4, until=None)


def test_repetitions_may_go_on_until_claims_are_decided_or_intervals_are_narrow(load) -> None:
    decided = load(repetitions={"min": 5, "until": "decided"})
    assert decided.repetitions == Repetitions(min=5, max=20, until="decided")
    narrow = load(repetitions={"max": 9, "until": {"half_width": 0.01}})
    assert narrow.repetitions == Repetitions(min=3, max=9, until=HalfWidth(half_width=0.01))

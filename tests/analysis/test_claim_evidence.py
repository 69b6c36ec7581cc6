"""How the p-values of a claim's parts are put together: against slow formulas, and compositions by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from dfa_tune.analysis.claim_evidence import bounds, evidence
from dfa_tune.analysis.claim_values import ClaimValues
from dfa_tune.config.claims import Mean, Some, Spread
from dfa_tune.planning.sweep_results import SweepResults

BP = [0.81, 0.84, 0.80, 0.83, 0.85, 0.82, 0.80, 0.84]
DFA = [0.74, 0.73, 0.78, 0.71, 0.77, 0.75, 0.72, 0.76]
FOR_EACH = {"for_each": {"m": ["bp-sgd", "dfa-sgd"]}, "sum": [{"method": "{m}"}]}


def slow_p(values: list[float], bound: float) -> list[float]:
    """The p-value by its formula, look by look: 1 / (2 E_m - 1) for positive t, the smallest so far."""
    smallest, found = 1.0, []
    for m in range(1, len(values) + 1):
        x = [value - bound for value in values[:m]]
        mean = math.fsum(x) / m
        if m > 1 and mean > 0:
            sd = math.sqrt(math.fsum((value - mean) ** 2 for value in x) / (m - 1))
            t, nu, prior = mean / (sd / math.sqrt(m)), m - 1, 1 + 9 * m
            factor = prior**-0.5 * ((1 + t * t / nu) / (1 + t * t / (nu * prior))) ** (m / 2)
            if 2 * factor > 1:
                smallest = min(smallest, 1 / (2 * factor - 1))
        found.append(smallest)
    return found


def negated(values: list[float]) -> list[float]:
    return [-value for value in values]


@pytest.fixture
def values(plan, trained) -> ClaimValues:
    """Eight repetitions that end at the accuracies BP and DFA."""
    tiny = plan("repetitions=8", "problem.test_samples=10000")
    ends = {"bp": BP, "dfa": DFA}
    order = {seed: at for at, seed in enumerate(tiny.sweep.repetition_seeds)}

    def accuracy(trial, epoch):
        if trial.stage == "tune":
            return 0.9 if trial.learning_rate == 0.1 else 0.6
        return ends[trial.method.rule][order[trial.seed]]

    return ClaimValues({"tiny": trained(tiny, accuracy)})


def mean(**keys) -> Mean:
    return Mean(id="a", claim="c", space="tiny", **keys)


def test_one_part_has_the_running_p_of_its_values_and_of_the_negated_ones(values) -> None:
    differences = [b - d for b, d in zip(BP, DFA, strict=True)]
    terms = [{"method": "bp-sgd"}, {"method": "dfa-sgd", "weight": -1}]
    above = evidence(mean(sum=terms, above=0.05), values)
    assert above.p_holds == pytest.approx(slow_p(differences, 0.05))
    assert above.p_fails == pytest.approx(slow_p(negated(differences), -0.05))
    below = evidence(mean(sum=terms, below=0.05), values)
    assert (below.p_holds.tolist(), below.p_fails.tolist()) == (
        above.p_fails.tolist(),
        above.p_holds.tolist(),
    )
    assert above.measured == pytest.approx(sum(differences) / 8)
    assert above.means[2] == pytest.approx(sum(differences[:3]) / 3)


def test_each_of_several_parts_is_the_largest_p_and_its_opposite_their_number_times_the_smallest(
    values,
) -> None:
    found = evidence(mean(**FOR_EACH, above=0.76), values)
    expected = np.maximum(slow_p(BP, 0.76), slow_p(DFA, 0.76))
    opposite = 2 * np.minimum(slow_p(negated(BP), -0.76), slow_p(negated(DFA), -0.76))
    assert found.p_holds == pytest.approx(expected)
    assert found.p_fails == pytest.approx(np.minimum(opposite, 1))
    assert found.part == "m = dfa-sgd"


def test_within_is_the_larger_p_of_both_sides_and_its_opposite_twice_the_smaller(values) -> None:
    found = evidence(mean(sum=[{"method": "bp-sgd"}], near=0.82, within=0.05), values)
    assert found.p_holds == pytest.approx(np.maximum(slow_p(BP, 0.77), slow_p(negated(BP), -0.87)))
    outside = evidence(mean(sum=[{"method": "bp-sgd"}], near=0.7, within=0.05), values)
    smaller = np.minimum(slow_p(negated(BP), -0.65), slow_p(BP, 0.75))
    assert outside.p_fails == pytest.approx(np.minimum(2 * smaller, 1))


def test_a_confidence_sequence_ends_where_the_running_p_is_five_percent(values) -> None:
    found = evidence(mean(sum=[{"method": "bp-sgd"}], above=0.5), values)
    assert math.isinf(found.high[1])
    low, high = float(found.low[-1]), float(found.high[-1])
    assert slow_p(BP, low)[-1] == pytest.approx(0.05, rel=1e-6)
    assert slow_p(negated(BP), -high)[-1] == pytest.approx(0.05, rel=1e-6)


def test_some_holds_once_it_was_seen_in_any_part_and_counts_repetitions(values) -> None:
    claim = Some(id="s", claim="c", space="tiny", kind="some", **FOR_EACH, above=0.845)
    found = evidence(claim, values)
    assert found.p_holds.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]  # BP's fifth is 0.85
    assert found.measured == 1 / 8
    assert found.part == "seen in 1 of 8, at most 0.85 with m = bp-sgd"
    # Clopper and Pearson for 1 in 8
    assert (found.low[-1], found.high[-1]) == pytest.approx((0.00316, 0.52651), abs=1e-5)


def test_spread_is_the_mean_log_difference_of_consecutive_repetitions(values) -> None:
    claim = Spread(id="w", claim="c", space="tiny", kind="spread", of=["dfa-sgd"], over=["bp-sgd"])
    found = evidence(claim, values)
    logs = [
        math.log(abs(DFA[i] - DFA[i + 1])) - math.log(abs(BP[i] - BP[i + 1])) for i in range(0, len(BP), 2)
    ]
    assert found.measured == pytest.approx(math.exp(sum(logs) / 4))
    assert found.n == 8
    assert found.p_holds[1::2] == pytest.approx(slow_p(logs, 0))
    assert found.p_holds[2::2].tolist() == found.p_holds[1:-1:2].tolist()  # an odd one decides nothing


def test_equal_accuracies_count_as_half_a_test_tuple_apart(plan, trained) -> None:
    tiny = plan("repetitions=2", "problem.test_samples=50")
    _, second = tiny.sweep.repetition_seeds

    def accuracy(trial, epoch):
        return 0.8 if trial.method.rule == "bp" or trial.seed != second else 0.9

    claim = Spread(id="w", claim="c", space="tiny", kind="spread", of=["dfa-sgd"], over=["bp-sgd"])
    found = evidence(claim, ClaimValues({"tiny": trained(tiny, accuracy)}))
    assert found.measured == pytest.approx(0.1 / 0.01)


def test_a_repetition_without_a_number_decides_nothing_and_stops_no_later_one(values) -> None:
    results = values.known["tiny"]
    third = results.sweep.repetition_seeds[2]
    rows: pd.DataFrame = results.rows.copy()
    rows.loc[(rows["seed"] == third) & (rows["method"] == "bp-sgd"), "test_accuracy"] = None
    found = evidence(
        mean(sum=[{"method": "bp-sgd"}], above=0.8),
        ClaimValues({"tiny": SweepResults(results.plan, rows)}),
    )
    without = slow_p([*BP[:2], *BP[3:]], 0.8)
    assert found.p_holds == pytest.approx([*without[:2], without[1], *without[2:]])
    assert found.n == 7


def test_bounds_are_where_a_claim_begins_or_ceases_to_be_true() -> None:
    assert bounds(mean(sum=[{"method": "m"}], below=-0.1)) == (-0.1,)
    assert bounds(mean(sum=[{"method": "m"}], near=0.5, within=0.25)) == (0.25, 0.75)

"""Which repetitions undecided claims ask for: it depends on the numbers alone, not on how they came about."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dfa_tune.analysis.deciding import (
    claims_about,
    decide,
    other_spaces,
    repetitions,
    repetitions_for_width,
)
from dfa_tune.analysis.sequential import confidence_sequence, running_p
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.sweep_results import SweepResults

AHEAD = "{id: ahead, claim: c, sum: [{method: bp-sgd}, {method: dfa-sgd, weight: -1}], above: 0}"
CLOSE = "{id: close, claim: c, sum: [{method: bp-sgd}], above: 0.868}"
RATES = "{id: rates, claim: c, kind: rates, methods: [bp-sgd, dfa-sgd], ratio: 2}"


@pytest.fixture
def sweep(space):
    """sweep([claims], "repetitions=9"): SPACE with these claims of its own."""
    text = space.read_text()

    def load(claims, *overrides, **names):
        name = names.get("name", "tiny")
        space.write_text(text.replace("name: tiny", f"name: {name}") + f"claims: [{', '.join(claims)}]\n")
        return load_sweep(space, overrides=list(overrides))

    return load


def first(results: SweepResults, counts: dict[str, int]) -> SweepResults:
    """What was known when each method had so many repetitions."""
    rows, seeds = results.rows, results.sweep.repetition_seeds
    kept = [
        (row.stage == "tune") or row.seed in seeds[: counts.get(row.method, len(seeds))]
        for row in rows.itertuples()
    ]
    return SweepResults(results.plan, rows[kept])


def test_an_undecided_claim_asks_for_the_next_repetition_of_its_cells_alone(sweep, trained) -> None:
    tiny = sweep([CLOSE], "repetitions=9")
    results = first(trained(Plan(tiny)), {"bp-sgd": 3, "dfa-sgd": 3})
    (decision,) = decide(claims_about(tiny), results, {})
    assert (decision.verdict, decision.n, decision.wanted) == ("undecided", 3, 4)
    assert decision.expected_n > 3
    assert repetitions([decision]) == {0: 4}  # bp-sgd's cell, and not that of dfa-sgd


def test_a_decided_claim_asks_for_the_repetitions_that_decided_it(sweep, trained) -> None:
    tiny = sweep([AHEAD], "repetitions=9")
    (decision,) = decide(claims_about(tiny), trained(Plan(tiny)), {})
    # A difference without spread: E_n = (1 + 9n)^((n - 1) / 2), so p is 1/55 after the third
    assert (decision.verdict, decision.n, decision.wanted) == ("holds", 9, 3)
    assert repetitions([decision]) == {0: 3, 1: 3}


def test_a_run_multiplies_by_the_number_of_its_familys_claims(sweep, trained) -> None:
    tiny = sweep([AHEAD, CLOSE, RATES], "repetitions=9")
    ahead, close, rates = decide(claims_about(tiny), trained(Plan(tiny)), {})
    assert (ahead.verdict, ahead.wanted) == ("holds", 4)  # 3/55 is above 0.05
    accuracies = np.array([0.84 + seed % 7 / 100 for seed in tiny.repetition_seeds])
    p = np.minimum(running_p(accuracies, 0.868), running_p(-accuracies, -0.868))
    assert (close.verdict == "undecided") == (3 * p[-1] > 0.05)
    assert (rates.verdict, rates.steers) == ("does not hold", False)


def test_a_repetition_counts_only_when_all_cells_have_it_and_all_before(sweep, trained) -> None:
    tiny = sweep([AHEAD], "repetitions=9")
    whole = trained(Plan(tiny))
    (waiting,) = decide(claims_about(tiny), first(whole, {"bp-sgd": 9, "dfa-sgd": 2}), {})
    assert (waiting.verdict, waiting.n, waiting.wanted) == ("undecided", 2, 3)
    without_second = whole.rows[whole.rows["seed"] != tiny.repetition_seeds[1]]
    (gap,) = decide(claims_about(tiny), SweepResults(whole.plan, without_second), {})
    assert (gap.n, gap.wanted) == (1, 2)


def test_before_any_repetition_a_claim_asks_for_the_first(sweep, trained) -> None:
    tiny = sweep([AHEAD], "repetitions=9")
    (decision,) = decide(claims_about(tiny), trained(Plan(tiny), rounds=1), {})
    assert (decision.verdict, decision.n) == ("not run", 0)
    assert repetitions([decision]) == {0: 1, 1: 1}


def test_the_order_of_the_rows_changes_nothing(sweep, trained) -> None:
    tiny = sweep([AHEAD, CLOSE], "repetitions=9")
    results = trained(Plan(tiny))
    mixed = SweepResults(results.plan, results.rows.sample(frac=1, random_state=1))
    asked = claims_about(tiny)
    assert decide(asked, mixed, {}) == decide(asked, results, {})


def test_a_claim_across_spaces_asks_for_five_more_than_the_other_has(trained, tmp_path) -> None:
    short = [
        "repetitions=12",
        "problem.dataset=digits",
        "training.epochs=2",
        "learning_rates={sgd: 0.1, adadelta: 1}",
    ]
    two, one = (load_sweep(name, overrides=short) for name in ("fig_2_1", "fig_3_1"))
    asked = [each for each in claims_about(one) if each.claim.id == "k1_dfa_beats_lazy"]
    assert other_spaces(asked, one) == ["fig_2_1"]
    other = trained(Plan(two))
    for count, wanted, waits in ((2, 7, ("fig_2_1",)), (12, 11, ())):
        methods = [method.name for method in two.methods]
        others = {"fig_2_1": first(other, dict.fromkeys(methods, count))}
        here = first(trained(Plan(one)), dict.fromkeys(["bp-sgd", "dfa-sgd"], 10))
        # As if it were among a million, so that nothing is decided
        (decision,) = decide([replace(asked[0], family=10**9)], here, others)
        assert (decision.n, decision.wanted, decision.waits_for) == (min(count, 10), wanted, waits)


def test_a_variant_asks_nothing_for_claims_about_other_figures_too(trained) -> None:
    rates = "learning_rates={sgd: 0.1, adadelta: 1}"
    short = ["repetitions=5", "problem.dataset=digits", "training.epochs=2", rates]
    variant = load_sweep("fig_2_1-no_decay", overrides=short)
    asked = claims_about(variant)
    assert other_spaces(asked, variant) == []
    decisions = {one.claim.id: one for one in decide(asked, trained(Plan(variant)), {})}
    assert decisions["k1_networks_ahead"].n == 5
    other = decisions["k1_dfa_beats_lazy"]  # with fig_3_1, whose results have weight decay
    assert (other.verdict, other.steers, other.waits_for) == ("not run", False, ())


def test_a_method_whose_accuracy_is_known_well_enough_ends(sweep, trained) -> None:
    tiny = sweep([], "repetitions=9")
    results = trained(Plan(tiny))
    accuracies = np.array([0.84 + seed % 7 / 100 for seed in tiny.repetition_seeds])
    found = confidence_sequence(accuracies)
    half = (found.high - found.low) / 2
    first_narrow = next(n for n, width in enumerate(half, start=1) if width <= 0.02)
    assert 3 < first_narrow < 9
    assert repetitions_for_width(results, 0.02)[0] == first_narrow
    assert repetitions_for_width(results, 1e-6) == {0: 10, 1: 10}


def test_decisions_need_no_other_columns_than_they_say(sweep, trained) -> None:
    tiny = sweep([AHEAD], "repetitions=9")
    results = trained(Plan(tiny))
    kept = ["trial_id", "stage", "seed", "learning_rate", "epoch", "diverged", "stopped"]
    rows: pd.DataFrame = results.rows[[*kept, "train_accuracy", "test_accuracy"]]
    asked = claims_about(tiny)
    assert decide(asked, SweepResults(results.plan, rows), {}) == decide(asked, results, {})

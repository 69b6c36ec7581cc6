"""Repeat until decided: methods with known effects behind the seam, and nothing that trains."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfa_tune.analysis.sequential import confidence_sequence, running_p
from dfa_tune.errors import UserError
from dfa_tune.orchestration.driver.repeating import judge_of
from dfa_tune.orchestration.packs.placement import Slots
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep, repetition_seeds
from dfa_tune.planning.trial import Trial
from dfa_tune.problems.datasets import content_digest
from dfa_tune.results.store import Store

MakeSweep = Callable[..., Any]
LEAST, MOST = 2, 9
SPACE = """
name: tiny
problem: {kind: parity, dataset: digits, k: 1, train_samples: 64, test_samples: 1000}
network: {hidden: 4}
training: {epochs: 1, batch_size: 64}
methods: [{rule: [bp, dfa, sign_symmetric, output_only], optimizer: sgd}]
learning_rates: {sgd: 0.1}
repetitions: {min: 2, max: 9}
"""
CLAIMS = """
claims:
  - {id: large, claim: BP is ahead, sum: [{method: bp-sgd}, {method: dfa-sgd, weight: -1}], above: 0}
  - id: none
    claim: DFA is ahead
    sum: [{method: dfa-sgd}, {method: sign_symmetric-sgd, weight: -1}]
    above: 0
"""
MEANS = {"bp": 0.9, "dfa": 0.85, "sign_symmetric": 0.85, "output_only": 0.5}
FAMILY = 2
SEEDS = repetition_seeds(0, MOST)


def accuracy(trial: Trial) -> float:
    """BP is five standard deviations ahead of DFA, which is as good as sign-symmetric."""
    return accuracy_of(trial.method.rule, trial.seed)


def accuracy_of(rule: str, seed: int) -> float:
    noise = np.random.default_rng([seed, *rule.encode()]).standard_normal()
    return float(MEANS[rule] + 0.01 / np.sqrt(2) * noise)


def decided_after(one: str, other: str) -> int:
    """The number of repetitions that decide which method is better; MOST if none do."""
    values = np.array([accuracy_of(one, seed) - accuracy_of(other, seed) for seed in SEEDS])
    p = FAMILY * np.minimum(running_p(values), running_p(-values))
    return int((p <= 0.05).argmax()) + 1 if (p <= 0.05).any() else MOST


def run_to_the_end(sweep: Any) -> Any:
    """One worker after another."""
    for number in range(1000):
        if sweep.suggest(f"{number}") == "FINISHED":
            return sweep
        sweep.end(f"{number}", accuracy)
    raise AssertionError("never finished")


def repeated(store: Store) -> dict[str, list[int]]:
    """The repetitions of each rule that are in the store."""
    rows = store.read(columns=["rule", "repetition"])
    return {rule: sorted(part["repetition"].astype(int)) for rule, part in rows.groupby("rule")}


def expected() -> dict[str, list[int]]:
    """The repetitions that the claims need."""
    large, none = decided_after("bp", "dfa"), decided_after("dfa", "sign_symmetric")
    assert (LEAST < large < MOST, none) == (True, MOST)  # of five standard deviations, and of no effect
    numbers = {"bp": large, "dfa": MOST, "sign_symmetric": MOST, "output_only": LEAST}
    return {rule: list(range(1, n + 1)) for rule, n in numbers.items()}


def test_repetitions_are_spent_on_undecided_claims_and_nowhere_else(make_sweep: MakeSweep) -> None:
    sweep = run_to_the_end(make_sweep(SPACE + CLAIMS, size=1))
    assert repeated(sweep.state.store) == expected()
    assert sweep.state.needed.said == "1 of 2 claims decided"
    assert sweep.state.count().remaining == 0


def test_repetitions_after_the_first_few_are_breadth_first(make_sweep: MakeSweep) -> None:
    """No method gets another repetition before all methods of the claim have the last one."""
    sweep, order = make_sweep(SPACE + CLAIMS, size=1), []
    names = sweep.hand_out("a")
    while names:
        order += [trial for name in names for trial in sweep.configs[name].pack.trials]
        for name in reversed(names):
            sweep.end(name, accuracy)
        names = sweep.hand_out(f"{len(order)}-")
    later = [trial.repetition for trial in order if trial.repetition > LEAST]
    assert later == sorted(later)
    assert len(later) > 9


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_ten_kills_and_a_second_run_end_with_the_same_trials(make_sweep: MakeSweep, seed: int) -> None:
    store = interrupted(make_sweep, random.Random(seed))
    assert repeated(store) == expected()


def interrupted(make_sweep: MakeSweep, chance: random.Random) -> Store:
    """What two runs leave that are killed ten times in all, at any moment."""

    def start() -> Any:
        return make_sweep(
            SPACE + CLAIMS, size=chance.choice([1, 2]), slots=[Slots(request={"CPU": 1.0}, count=2)]
        )

    runs, kills, finished, number = [start(), start()], 10, [False, False], 0
    while kills or not all(finished):
        index = chance.randrange(2)
        run, number = runs[index], number + 1
        running = list(run.search.running)
        act = chance.random()
        if kills and act < 0.15:
            kills -= 1
            for one in run.search.running.values():
                run.leases.release(one.pack.id)  # as if they had expired
            runs[index], finished[index] = start(), False
        elif running and act < 0.6:
            run.end(chance.choice(running), accuracy)
        else:
            run.clock.now += 10.0
            finished[index] = run.suggest(f"{number}") == "FINISHED"
        assert number < 3000
    return runs[0].state.store


def test_a_method_is_repeated_until_its_own_interval_is_narrow(make_sweep: MakeSweep) -> None:
    half = 0.012
    text = SPACE.replace("max: 9}", f"max: 9, until: {{half_width: {half}}}}}")
    expected = {}
    for rule in MEANS:
        found = confidence_sequence([accuracy_of(rule, seed) for seed in SEEDS])
        narrow = (found.high - found.low) / 2 <= half
        expected[rule] = max(LEAST, int(narrow.argmax()) + 1) if narrow.any() else MOST
    assert len(set(expected.values())) > 1  # each its own
    sweep = run_to_the_end(make_sweep(text, size=1))
    assert {rule: len(numbers) for rule, numbers in repeated(sweep.state.store).items()} == expected


ACROSS = """
claims:
  - id: across
    claim: as good as the quickstart's
    sum: [{method: dfa-sgd}, {method: bp-sgd, space: quickstart, weight: -1}]
    above: 0
"""


def test_a_claim_across_spaces_asks_for_five_repetitions_more_than_the_other_has(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    other = Plan(load_sweep("quickstart", overrides=["repetitions=2"]), content_digest("digits"))
    trials = {trial.id: trial for trial in other.due({})}
    scores = dict.fromkeys(trials, 0.85)
    trials |= {trial.id: trial for trial in other.due(scores)}
    rows = [
        {**trial.columns(), "epoch": epoch, "test_accuracy": accuracy_like_dfa(trial), "diverged": False}
        for trial in trials.values()
        for epoch in range(1, trial.training.epochs + 1)
    ]
    Store(tmp_path / "results", "quickstart").publish("some", rows, {})
    sweep = run_to_the_end(make_sweep(SPACE + ACROSS, size=1))
    numbers = {rule: len(found) for rule, found in repeated(sweep.state.store).items()}
    assert numbers == {"bp": LEAST, "dfa": 2 + 5, "sign_symmetric": LEAST, "output_only": LEAST}
    (decision,) = judge_of(sweep.state.plan.sweep, tmp_path / "results").decisions(results_of(sweep))
    assert decision.waits_for == ("quickstart",)


def accuracy_like_dfa(trial: Trial) -> float:
    """As good as DFA here, with other noise."""
    return MEANS["dfa"] + accuracy_of("bp", trial.seed) - MEANS["bp"]


def results_of(sweep: Any) -> Any:
    from dfa_tune.planning.sweep_results import SweepResults

    return SweepResults(sweep.state.plan, sweep.state.store.read())


def test_there_must_be_a_claim_to_decide(load: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tiny: no claim is about this space.*add `claims:`"):
        judge_of(load(repetitions={"min": 3, "max": 5}), tmp_path)

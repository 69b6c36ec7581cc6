"""Which trials are due: what a space takes over, what it trains itself, and how often it repeats."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from dfa_tune.planning.plan import Plan
from dfa_tune.planning.state import Count, Needed, SweepState
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.results.store import Store

SPACE = """
name: {name}
problem: {{kind: parity, dataset: digits, k: 3, train_samples: 100, test_samples: 50}}
training: {{epochs: 1, batch_size: 50}}
methods: [{{rule: [bp, dfa], optimizer: sgd}}]
learning_rates: {{sgd: [0.01, 0.1]}}
repetitions: 2
save_weights: {save_weights}
"""


def state(folder: Path, name: str, save_weights: bool) -> SweepState:
    space = folder / f"{name}.yaml"
    space.write_text(SPACE.format(name=name, save_weights=str(save_weights).lower()))
    store = Store(folder / "results", name)
    return SweepState(Plan(load_sweep(space)), store, store.read())


def finish(known: SweepState) -> None:
    """Give every trial a row, without training any."""
    while ready := known.ready():
        rows = [{**t.columns(), "epoch": 1, "test_accuracy": 0.6, "diverged": False} for t in ready]
        known.store.publish(f"pack{len(known.scores)}", rows, {})
        known.refresh()


@pytest.mark.parametrize(("save_weights", "left"), [(False, set()), (True, {"repeat"})])
def test_a_space_that_saves_weights_trains_its_repetitions_itself(
    tmp_path: Path, save_weights: bool, left: set[str]
) -> None:
    finish(state(tmp_path, "first", False))
    foreseen = state(tmp_path, "second", save_weights)
    assert foreseen.foresee() == (8 if not save_weights else 4)
    assert foreseen.store.read().empty  # as it was
    second = state(tmp_path, "second", save_weights)
    assert second.count().done == 0
    assert second.take_over() == (8 if not save_weights else 4)
    assert {trial.stage for trial in second.ready()} == left
    assert len(second.ready()) == (4 if save_weights else 0)
    assert foreseen.count() == second.count()
    assert foreseen.foresee() == 0


TUNED = """
name: tuned
problem: {kind: parity, dataset: digits, k: [1, 3], train_samples: 100, test_samples: 50}
training: {epochs: 1, batch_size: 50}
methods: [{rule: bp, optimizer: sgd}]
learning_rates: {sgd: [0.01, 0.1, 1.0]}
tuning: {metric: METRIC, refine: REFINE}
repetitions: 1
"""


def tuned(folder: Path, metric: str, refine: int = 0) -> SweepState:
    space = folder / "tuned.yaml"
    space.write_text(TUNED.replace("METRIC", metric).replace("REFINE", str(refine)))
    store = Store(folder / "results", "tuned")
    return SweepState(Plan(load_sweep(space)), store, store.read())


def absorb(known: SweepState, values: dict[float, float], *, k: int) -> None:
    """Give the trials that are due at these rates a metric, without training any."""
    ready = [t for t in known.ready() if t.problem.k == k and t.learning_rate in values]
    assert len(ready) == len(values)
    metric = known.plan.sweep.tuning.metric
    rows = [
        {**t.columns(), "epoch": 1, metric: values[t.learning_rate], "diverged": False, "stopped": False}
        for t in ready
    ]
    known.absorb(pd.DataFrame(rows))


def best(known: SweepState) -> dict[int, tuple[float, float | None]]:
    """The learning rate and the score by k."""
    return {cell.axes["k"]: (choice.learning_rate, choice.score) for cell, choice in known.best()}


def test_the_best_rate_so_far_is_the_one_with_the_lowest_loss(tmp_path: Path) -> None:
    known = tuned(tmp_path, "test_loss")
    assert known.best() == []
    absorb(known, {0.01: 0.5, 0.1: 0.3}, k=1)
    assert best(known) == {1: (0.1, 0.3)}


def test_the_best_rate_so_far_is_that_of_its_own_point_of_the_axes(tmp_path: Path) -> None:
    known = tuned(tmp_path, "test_accuracy")
    absorb(known, {0.01: 0.9, 0.1: 0.8}, k=1)
    absorb(known, {0.1: 0.55, 1.0: 0.6}, k=3)
    assert best(known) == {1: (0.01, 0.9), 3: (1.0, 0.6)}


def test_the_best_rate_so_far_may_be_a_refined_one(tmp_path: Path) -> None:
    known = tuned(tmp_path, "test_accuracy", refine=1)
    absorb(known, {0.01: 0.6, 0.1: 0.8, 1.0: 0.7}, k=1)
    (refined,) = [trial for trial in known.ready() if trial.problem.k == 1]
    assert 0.01 < refined.learning_rate < 1.0
    absorb(known, {refined.learning_rate: 0.85}, k=1)
    assert best(known) == {1: (refined.learning_rate, 0.85)}


def test_what_is_counted_at_the_end_is_what_the_store_still_has(tmp_path: Path) -> None:
    known = state(tmp_path, "first", False)
    finish(known)
    assert known.stored() == known.count() == Count(planned=8, done=8)
    (tmp_path / "results" / "first").rename(tmp_path / "moved")
    assert known.count().remaining == 0  # as it was read
    assert known.stored() == Count(planned=8, done=0)


# -- how often a method is repeated

REPEATED = """
name: repeated
problem: {kind: parity, dataset: digits, k: 3, train_samples: 100, test_samples: 50}
training: {epochs: 1, batch_size: 50}
methods: [{rule: [bp, dfa], optimizer: sgd}]
learning_rates: {sgd: 0.1}
repetitions: {min: 2, max: 5}
"""


def repeated(folder: Path, judge: Callable[[SweepResults], Needed], space: str = REPEATED) -> SweepState:
    """The state of a space whose repetitions `judge` asks for."""
    (folder / "repeated.yaml").write_text(space)
    store = Store(folder / "results", "repeated")
    plan = Plan(load_sweep(folder / "repeated.yaml"))
    return SweepState(plan, store, store.read(), store.names(), judge=judge)


def so_many(bp: int, dfa: int) -> Callable[[SweepResults], Needed]:
    """A judge who wants one more repetition than both methods have, up to so many of each."""

    def judge(results: SweepResults) -> Needed:
        done = results.finals.groupby("cell")["seed"].nunique()
        both = min(done.get(0, 0), done.get(1, 0))
        wanted = {0: min(bp, both + 1), 1: min(dfa, both + 1)}
        return Needed(wanted, {cell for cell, most in ((0, bp), (1, dfa)) if both < most})

    return judge


def ready(known: SweepState) -> list[tuple[str, int | None]]:
    return [(trial.method.rule, trial.repetition) for trial in known.ready()]


def train(known: SweepState, count: int) -> None:
    """Publish the first `count` of the trials that are ready."""
    for trial in known.ready()[:count]:
        row = {**trial.columns(), "epoch": 1, "test_accuracy": 0.6, "diverged": False}
        known.store.publish(trial.id, [row], {})
    known.refresh()


def test_repetitions_are_handed_out_breadth_first_and_as_they_are_needed(tmp_path: Path) -> None:
    known = repeated(tmp_path, so_many(bp=4, dfa=4))
    assert ready(known) == [("bp", 1), ("dfa", 1), ("bp", 2), ("dfa", 2)]
    assert (known.count().planned, known.most) == (4, 10)
    train(known, 3)
    assert ready(known) == [("dfa", 2)]  # the third are asked for when both methods have two
    train(known, 1)
    assert ready(known) == [("bp", 3), ("dfa", 3)]
    assert known.count() == Count(planned=6, done=4)
    train(known, 2)
    train(known, 2)
    assert ready(known) == []
    assert (known.count(), known.most) == (Count(planned=8, done=8), 8)


def test_repetitions_go_where_they_are_needed_up_to_the_maximum(tmp_path: Path) -> None:
    known = repeated(tmp_path, so_many(bp=0, dfa=9))
    for _ in range(9):
        train(known, 1)
    assert known.count() == Count(planned=2 + 3, done=5)
    assert ready(known) == []


def test_repetitions_beyond_what_is_needed_count_where_they_are_there(tmp_path: Path) -> None:
    before = repeated(tmp_path, so_many(bp=4, dfa=4))
    for _ in range(4):
        train(before, 4)
    after = repeated(tmp_path, so_many(bp=0, dfa=0))
    assert (after.count(), after.other_settings()) == (Count(planned=8, done=8), 0)


def test_a_trial_that_two_runs_have_trained_is_judged_once(tmp_path: Path) -> None:
    rows: list[int] = []

    def judge(results: SweepResults) -> Needed:
        rows.append(len(results.rows))
        return Needed()

    known = repeated(tmp_path, judge)
    train(known, 2)
    known.absorb(known.store.read())
    assert rows[-1] == 2


def test_repetitions_that_come_together_with_the_trial_that_decides_a_rate_are_judged(tmp_path: Path) -> None:
    space = REPEATED.replace("{sgd: 0.1}", "{sgd: [0.1, 0.2]}")
    other = tmp_path / "other"
    other.mkdir()
    before = repeated(other, so_many(bp=4, dfa=4), space)
    known = repeated(tmp_path, so_many(bp=4, dfa=4), space)
    for _ in range(2):  # the tunings, and the first two repetitions
        train(before, 4)
    known.absorb(before.store.read())
    assert ready(known) == [("bp", 3), ("dfa", 3)]

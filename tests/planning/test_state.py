"""What a space takes over from others under the same results, and what it trains itself."""

from pathlib import Path

import pandas as pd
import pytest

from dfa_tune.planning.plan import Plan
from dfa_tune.planning.state import Count, SweepState
from dfa_tune.planning.sweep import load_sweep
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
    rows = [{**t.columns(), "epoch": 1, metric: values[t.learning_rate], "diverged": False} for t in ready]
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

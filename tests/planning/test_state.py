"""What a space takes over from others under the same results, and what it trains itself."""

from pathlib import Path

import pytest

from dfa_tune.planning.plan import Plan
from dfa_tune.planning.state import SweepState
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

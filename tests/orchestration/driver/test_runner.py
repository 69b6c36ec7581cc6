"""What a run does before and after training, with results that are there already: Ray is not started."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfa_tune import run_sweep
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.sweep_results import load_sweep_results
from dfa_tune.results import Store, maintenance

SPACE = """
name: tiny
problem: {kind: parity, dataset: digits, k: 1, train_samples: 64, test_samples: 10}
network: {hidden: 4}
training: {epochs: 1, batch_size: 64}
methods: [{rule: [bp, dfa], optimizer: sgd}]
learning_rates: {sgd: [0.1, 0.2, 0.4]}
repetitions: 2
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(SPACE)
    return path


def state(space: Path) -> SweepState:
    results = space.parent / "results"
    found = load_sweep_results(space, results)
    return SweepState(found.plan, Store(results, "tiny"), found.rows)


def finish(known: SweepState) -> None:
    """Give every trial a row in a file of its own, without training any."""
    while ready := known.ready():
        for trial in ready:
            row = {**trial.columns(), "epoch": 1, "test_accuracy": 0.6, "diverged": False, "device": "cpu"}
            known.store.publish(Pack((trial,)).id, [row], {})
        known.refresh()


def test_a_run_merges_its_files_where_there_are_many(space: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = state(space)
    finish(known)
    assert len(known.store.names()) == known.plan.planned == 10
    run_sweep(space, space.parent / "results")
    assert len(known.store.names()) == 10  # these are few
    monkeypatch.setattr(maintenance, "MANY_FILES", 9)
    outcome = run_sweep(space, space.parent / "results")
    assert len(known.store.names()) == 1
    assert (outcome.count.done, outcome.count.remaining, outcome.failed) == (10, 0, {})

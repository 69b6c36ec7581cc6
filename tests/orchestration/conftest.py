"""The searcher as Ray Tune drives it, with no worker behind it: the tests play Tune and the workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dfa_tune.orchestration.driver.repeating import judge_of
from dfa_tune.orchestration.driver.searcher import TuneThenRepeat
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.packs.pack_size import PackSize
from dfa_tune.orchestration.packs.placement import Slots
from dfa_tune.orchestration.worker.errors import WorkerError
from dfa_tune.orchestration.worker.pack_config import PackConfig, RunSettings
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.trial import Trial
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store, rung_file

SPACE = """
name: tiny
title: tiny
problem: {kind: parity, dataset: digits, k: 1, train_samples: 64, test_samples: 10}
network: {hidden: 4}
training: {epochs: 2, batch_size: 64}
methods: [{rule: [bp, dfa], optimizer: sgd}]
learning_rates: {sgd: [0.1, 0.2, 0.4]}
repetitions: 2
"""
Accuracy = Mapping[float, float] | Callable[[Trial], float | None]  # by learning rate, or of a trial
BEST = 0.2  # the learning rate with the highest of these accuracies
ACCURACY = {0.1: 0.6, BEST: 0.9, 0.4: 0.7}


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Sweep:
    """A sweep whose packs are handed out, and end, as the test says."""

    def __init__(self, state: SweepState, *, size: PackSize, slots: Sequence[Slots], clock: Clock) -> None:
        self.state, self.clock = state, clock
        self.leases = Leases(state.store)
        results, owner = str(state.store.location), self.leases.owner
        run = RunSettings(results=results, name=state.store.name, owner=owner, space="", cluster=True)
        self.search = TuneThenRepeat(state, self.leases, run, size=size, slots=slots, clock=clock)
        self.configs: dict[str, PackConfig] = {}  # by the name of the Tune trial

    def suggest(self, name: str) -> Pack | str | None:
        """The pack that Tune's trial `name` gets; None or FINISHED where the searcher says so."""
        answer = self.search.suggest(trial_id=name)
        if not isinstance(answer, dict):
            return answer
        self.configs[name] = PackConfig.from_json(answer)
        return self.configs[name].pack

    def pack(self, name: str) -> Pack:
        """The pack that Tune's trial `name` gets; there must be one."""
        found = self.suggest(name)
        assert isinstance(found, Pack)
        return found

    def hand_out(self, prefix: str = "t") -> list[str]:
        """Everything that can be handed out before something ends; the names of the Tune trials."""
        names: list[str] = []
        while isinstance(self.suggest(f"{prefix}{len(names)}"), Pack):
            names.append(f"{prefix}{len(names)}")
        return names

    def report(self, name: str, *, seconds: float = 0.0, progress: float = 0.0, saved: float = 0.0) -> None:
        """The worker of `name` has trained for a while; `seconds` are those of the whole pack."""
        self.search.on_trial_result(name, report(seconds, progress, saved))

    def end(self, name: str, accuracy: Accuracy = ACCURACY, *, seconds: float = 0.0) -> list[str]:
        """The pack of `name` is published, as its worker does it; the ids of its trials."""
        trained = self.publish(name, accuracy)
        self.search.on_trial_complete(trial_id=name, result=report(seconds, 1.0))
        return trained

    def publish(self, name: str, accuracy: Accuracy = ACCURACY) -> list[str]:
        """As `end`, where the driver has died meanwhile."""
        pack = self.configs[name].pack
        publish(self.state.store, pack, accuracy)
        self.leases.release(pack.id)
        return [trial.id for trial in pack.trials]

    def end_otherwise(self, name: str, outcome: str, cause: str = "", traceback: str = "") -> None:
        """The worker of `name` gives the pack up, and says why."""
        result = report(0.0, 0.0) | {"outcome": outcome, "cause": cause, "traceback": traceback}
        self.search.on_trial_complete(trial_id=name, result=result)

    def die(self, name: str, **error: Any) -> None:
        """The worker of `name` dies; `error` is of a WorkerError."""
        self.search.worker_failed(name, WorkerError(**{"cause": "killed"} | error))
        self.search.on_trial_complete(trial_id=name, error=True)


def report(seconds: float, progress: float, saved: float = 0.0) -> dict[str, Any]:
    """What a worker tells Tune."""
    return {"saved": saved, "progress": progress, "pack_seconds": seconds, "pack_trials": 1, "done": False}


def publish(store: Store, pack: Pack, accuracy: Accuracy = ACCURACY) -> None:
    """Rows as a worker writes them; `accuracy` is also the loss; trials that it does not know diverged."""
    values = {
        trial.id: accuracy(trial) if callable(accuracy) else accuracy.get(trial.learning_rate)
        for trial in pack.trials
    }
    rows = [
        {
            **trial.columns(),
            "device": "cpu",
            "epoch": epoch,
            **dict.fromkeys(("test_accuracy", "test_loss"), values[trial.id]),
            "diverged": values[trial.id] is None,
            "stopped": pack.until is not None,
            "seconds": 0.0,
        }
        for trial in pack.trials
        for epoch in range(1, (pack.until or trial.training.epochs) + 1)
    ]
    if pack.until is None:
        store.publish(pack.id, rows, {})
    else:  # at a rung, where it is decided who goes on
        store.publish(rung_file(pack.id, pack.until).removesuffix(".parquet"), rows, {}, folder="rungs")


@pytest.fixture
def make_state(tmp_path: Path) -> Callable[..., SweepState]:
    """make_state(text): the state of a space, read from the one results folder of the test."""

    def make(text: str = SPACE) -> SweepState:
        (tmp_path / "space.yaml").write_text(text)
        sweep = load_sweep(tmp_path / "space.yaml")
        store = Store(tmp_path / "results", sweep.name)
        judge = judge_of(sweep, store.location)
        rows = store.read() if judge is not None else pd.DataFrame()
        return SweepState(Plan(sweep, "0" * 16), store, rows, judge=judge)

    return make


@pytest.fixture
def make_sweep(make_state: Callable[..., SweepState]) -> Callable[..., Sweep]:
    """make_sweep(text, size, slots): a run of a space; several share the results, as runs at once do."""

    def make(
        text: str = SPACE,
        *,
        size: PackSize = 3,
        slots: Sequence[Slots] = (Slots(request={"CPU": 1.0}, count=10),),
    ) -> Sweep:
        return Sweep(make_state(text), size=size, slots=slots, clock=Clock())

    return make

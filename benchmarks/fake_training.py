"""A training that takes no time, in place of the real one, so that what is left is orchestration.

`_run_sweep(..., trainer="benchmarks.fake_training:start")`
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dfa_tune.learning.metrics import BY_LAYER, METRICS
from dfa_tune.orchestration.packs.pack import Pack

METHODS = 10
SPACE = """
name: fake
title: Trials that take no time
problem: {{kind: parity, dataset: digits, k: 1, train_samples: 64, test_samples: 10}}
network: {{hidden: 4}}
training: {{epochs: {epochs}, batch_size: 64}}
methods:
  - {{rule: [bp, dfa], optimizer: [sgd, momentum, adagrad, rmsprop, adam],
     learning_rate: {{low: 1.0e-3, high: 1.0, points: {points}}}}}
repetitions: {repetitions}
"""


def write_space(folder: Path, trials: int, epochs: int) -> Path:
    """The file of a space with so many trials (a multiple of 50); a fifth of them tune learning rates."""
    file = folder / "fake.yaml"
    points, repetitions = trials // METHODS // 5, trials // METHODS * 4 // 5
    file.write_text(SPACE.format(epochs=epochs, points=points, repetitions=repetitions))
    return file


class FakeTraining:
    """Returns rows as `PackTraining` does, with metrics that depend only on the rate and the epoch."""

    def __init__(self, pack: Pack) -> None:
        self.training = pack.trials[0].training
        self.device = SimpleNamespace(type="cpu")
        self.diverged = [False] * len(pack.trials)
        self.epoch = 0
        self._scores = [1 / (1 + abs(trial.learning_rate - 0.1)) for trial in pack.trials]

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done."""
        return self.epoch >= self.training.epochs

    @property
    def epochs_ended(self) -> int:
        """How many epochs are done: none is left in the middle."""
        return self.epoch

    def run_epoch(self) -> list[dict[str, Any]]:
        """One row per member."""
        self.epoch += 1
        share = self.epoch / self.training.epochs
        return [
            {
                "member": member,
                "epoch": self.epoch,
                **dict.fromkeys(METRICS, 0.5 + 0.5 * score * share),
                **dict.fromkeys(BY_LAYER),
                "diverged": False,
                "seconds": 0.0,
            }
            for member, score in enumerate(self._scores)
        ]

    def advance(self, seconds: float, until: int | None = None) -> list[dict[str, Any]]:
        """All epochs at once."""
        rows = []
        while self.epoch < (until or self.training.epochs):
            rows += self.run_epoch()
        return rows

    def state(self) -> dict[str, Any]:
        """The epoch, in the place where `PackTraining` has it."""
        import torch

        return {"position": torch.tensor([self.epoch])}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from that epoch."""
        self.epoch = int(state["position"][0])


def start(pack: Pack, data: str | None, threads: int) -> FakeTraining:
    """In place of `dfa_tune.orchestration.worker.pack_run.start_training`."""
    return FakeTraining(pack)

"""Small networks and small runs, built the same way in every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dfa_tune.learning.backward import Context, hidden_deltas
from dfa_tune.learning.initialisation import initial_network
from dfa_tune.learning.losses import LOSSES, one_hot
from dfa_tune.learning.network import PackedNetwork, Pass
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.step import Step
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.settings import ProblemSettings
from dfa_tune.registry import OPTIMIZERS, PROBLEMS, RULES

SCALE = 0.7  # of the inputs, folded into the first layer's products


@dataclass
class TakenStep:
    """A packed network before one step, what was fed to it, and its parameters after the step."""

    network: PackedNetwork
    x: Tensor  # (P, B, D), not yet scaled
    labels: Tensor  # (P, B): 0 to C - 1, with one output 0 or 1
    loss: str
    done: Pass
    before: dict[str, Tensor]
    after: dict[str, Tensor]

    def gradients(self, learning_rate: float) -> dict[str, Tensor]:
        """(before - after) / learning rate, by parameter."""
        return {name: (self.before[name] - self.after[name]) / learning_rate for name in self.before}


@pytest.fixture
def one_step() -> Callable[..., TakenStep]:
    """Takes one float64 step of a rule on random data: two members with weights and data of their own."""

    def step(
        rule: str,
        *,
        hidden: Sequence[int] = (5,),
        activation: str = "relu",
        bias: bool = False,
        decay: float = 0.0,
        optimizer: str = "sgd",
        learning_rates: tuple[float, float] = (1.0, 1.0),
        feedback: str = "uniform",
        inputs: int = 6,
        batch: int = 9,
        outputs: int = 1,
        loss: str = "binary_cross_entropy",
    ) -> TakenStep:
        chosen = RULES[rule]
        names = [feedback if chosen.uses_feedback else None] * 2
        network = initial_network(
            Network(hidden=tuple(hidden), activation=activation, bias=bias),
            chosen,
            inputs,
            [3, 4],
            names,
            outputs=outputs,
            scale=SCALE,
            precision="float64",
        )
        rng = np.random.default_rng(8)
        x = torch.from_numpy(rng.normal(size=(2, batch, inputs)) * 2)
        labels = torch.from_numpy(rng.integers(0, max(2, outputs), (2, batch)).astype(np.float64))
        before = {name: tensor.clone() for name, tensor in network.parameters().items()}
        done = network.forward(x)
        context = Context.of(network, done, one_hot(labels, outputs), LOSSES[loss])
        deltas = hidden_deltas(context) if chosen.trains_hidden else []
        rates = torch.tensor(learning_rates, dtype=torch.float64).view(2, 1, 1)
        Step(network, LOSSES[loss], OPTIMIZERS[optimizer], rates, decay).update(context, deltas, 1)
        after = {name: tensor.clone() for name, tensor in network.parameters().items()}
        return TakenStep(network, x, labels, loss, done, before, after)

    return step


@dataclass
class Run:
    """The rows of a finished run by member, without `member` and `seconds`, and the training itself."""

    rows: list[list[dict[str, Any]]]
    training: PackTraining


@pytest.fixture
def run() -> Callable[..., Run]:
    """Trains a pack to its last epoch."""

    def train(
        problem: ProblemSettings,
        members: Sequence[Member],
        *,
        rule: str = "bp",
        optimizer: str = "sgd",
        network: dict[str, Any] | None = None,
        split: str = "test",
        **training: Any,
    ) -> Run:
        pack = PackTraining(
            PROBLEMS[problem.kind](problem, split=split),
            Network(**{"hidden": (5,), **(network or {})}),
            Training(**{"epochs": 2, "batch_size": 16, **training}),
            rule,
            optimizer,
            members,
        )
        rows: list[list[dict[str, Any]]] = [[] for _ in members]
        while not pack.finished:
            for row in pack.run_epoch():
                kept = {name: value for name, value in row.items() if name not in ("member", "seconds")}
                rows[row["member"]].append(kept)
        return Run(rows, pack)

    return train


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's threads for the length of a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)

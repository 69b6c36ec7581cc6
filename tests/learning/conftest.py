"""Small networks and small runs, built the same way in every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.settings import ProblemSettings
from dfa_tune.registry import PROBLEMS
from dfa_tune.testing import TakenStep, take_step


@pytest.fixture
def one_step() -> Callable[..., TakenStep]:
    """Takes one float64 step of a rule on random data: two members with weights and data of their own."""
    return take_step


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

"""What the peers train: the plain PyTorch loops of `benchmarks/baselines.py`, and the two tasks.

A task tries learning rates for BP and DFA, and repeats both at the best one with three seeds. Each epoch adds
a line to `epochs.log` in the folder of the run, by which the benchmark counts what was trained.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks import baselines
from dfa_tune.problems.kinds.parity import Problem, Settings

METHODS = ("bp", "dfa")
SEEDS = (1, 2, 3)  # of the repetitions; 0 of the tuning
DECAY = 1e-3
RATES = {"short": [10 ** (-2 + n / 4) for n in range(9)], "mnist": [0.01, 0.03, 0.1]}
EPOCHS = {"short": 5, "mnist": 3}
WIDTHS = {"short": 128, "mnist": 512}
PROBLEMS = {
    "short": Settings(dataset="digits", k=3, train_samples=10_000, test_samples=1_000),
    "mnist": Settings(dataset="mnist", k=3, train_samples=60_000, test_samples=10_000),
}


class PlainDFA(baselines.Plain):
    """The same network with DFA: the hidden layer's gradient is written by hand."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        first, _, last = self.model
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        self.first, self.last = first, last
        self.feedback = torch.empty_like(last.weight).uniform_(-1, 1) / math.sqrt(last.in_features)

    @torch.no_grad()
    def step(self, x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one step on a batch; returns its loss and logits."""
        h = self.first(x).relu()
        logits = self.last(h).squeeze(1)
        error = ((logits.sigmoid() - labels) / len(labels)).unsqueeze(1)
        self.first.weight.grad = (error * self.feedback * (h > 0)).T @ x
        self.last.weight.grad = error.T @ h
        self.optimizer.step()
        return binary_cross_entropy_with_logits(logits, labels), logits


def train(
    task: str,
    loader: str,
    folder: str,
    method: str,
    rate: float,
    seed: int,
    report: Callable[[float], object],
) -> float:
    """One trial: the mean test accuracy of its epochs, which `report` gets one by one.

    `loader`: "DataLoader" or "tensors".
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    problem = Problem(PROBLEMS[task], os.environ.get("DFA_TUNE_DATA"))
    kind = PlainDFA if method == "dfa" else baselines.Plain
    plain = kind(problem, WIDTHS[task], rate, DECAY)
    epoch = baselines.dataloader_epoch if loader == "DataLoader" else baselines.autograd_epoch
    run, scores = epoch(plain, 128, tested=False), []
    for number in range(1, EPOCHS[task] + 1):
        run()
        scores.append(baselines.accuracy(plain))
        with Path(folder, "epochs.log").open("a") as log:
            log.write(f"{method} {rate} {seed} {number}\n")
        report(scores[-1])
    return sum(scores) / len(scores)


def best_rates(scores: dict[tuple[str, float], float]) -> dict[str, float]:
    """The rate with the highest score of each method."""
    return {
        method: max((rate for one, rate in scores if one == method), key=lambda rate: scores[method, rate])
        for method in METHODS
    }

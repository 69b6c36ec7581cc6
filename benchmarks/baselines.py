"""What the training is compared with: one network in float32, on parity or clusters.

*floor*: the matrix products that an epoch cannot avoid, written into existing buffers, and nothing else.
*DataLoader loop*: `TensorDataset`, `DataLoader`, autograd, `torch.optim.SGD`, and `.item()` at every batch.
*plain autograd*: the same with slices in place of the DataLoader, and without `.item()`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from dfa_tune.problems.epoch_sample import EpochSample, Problem

TEST_CHUNK = 1024


def floor(
    samples: int, tests: int, inputs: int, width: int, batch: int, dtype: torch.dtype = torch.float32
) -> Callable[[], None]:
    """The products of one epoch: x W and x^T delta for every batch, and x W for its test."""
    weight = torch.rand(inputs, width).to(dtype)
    gradient = torch.empty_like(weight)
    training, testing = _operands(samples, batch, weight), _operands(tests, TEST_CHUNK, weight)

    def run() -> None:
        for x, delta in training:
            torch.mm(x, weight, out=delta)
            torch.mm(x.T, delta, out=gradient)
        for x, out in testing:
            torch.mm(x, weight, out=out)

    return run


def _operands(samples: int, size: int, weight: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Operands (B, D) and (B, H) of every batch, the last of which may be shorter; all share memory."""
    inputs, width = weight.shape
    x, out = torch.rand(size, inputs).to(weight.dtype), torch.rand(size, width).to(weight.dtype)
    lengths = [min(size, samples - begin) for begin in range(0, samples, size)]
    return [(x[:length], out[:length]) for length in lengths]


class Plain:
    """A network with one hidden layer as it is usually written in PyTorch, with SGD."""

    def __init__(self, problem: Problem, width: int, rate: float, weight_decay: float) -> None:
        self.problem = problem
        self.model = nn.Sequential(
            nn.Linear(problem.inputs, width, bias=False), nn.ReLU(), nn.Linear(width, 1, bias=False)
        )
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=rate, weight_decay=weight_decay)
        self.epoch = 0

    def tensors(self, draw: EpochSample) -> tuple[Tensor, Tensor]:
        """All tuples of an epoch, normalised, and their labels."""
        x = torch.from_numpy(draw.gather().astype(np.float32))
        x = (x - self.problem.mean) / self.problem.std
        return x, torch.from_numpy(draw.labels.astype(np.float32))

    def step(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step on a batch; returns its loss and logits."""
        self.optimizer.zero_grad()
        logits = self.model(x).squeeze(1)
        loss = binary_cross_entropy_with_logits(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss, logits


def dataloader_epoch(plain: Plain, batch: int, tested: bool, workers: int = 0) -> Callable[[], None]:
    """A function that trains one more epoch with a DataLoader, and calls `.item()` at every batch."""

    def run() -> None:
        plain.epoch += 1
        x, labels = plain.tensors(plain.problem.train(0, plain.epoch))
        loss_sum = right = 0.0
        for part, wanted in DataLoader(TensorDataset(x, labels), batch, shuffle=True, num_workers=workers):
            loss, logits = plain.step(part, wanted)
            loss_sum += loss.item()
            right += ((logits > 0) == (wanted > 0)).sum().item()
        if tested:
            x, labels = plain.tensors(plain.problem.test(0, plain.epoch))
            with torch.no_grad():
                for part, wanted in DataLoader(TensorDataset(x, labels), batch, num_workers=workers):
                    logits = plain.model(part).squeeze(1)
                    loss_sum += binary_cross_entropy_with_logits(logits, wanted).item()
                    right += ((logits > 0) == (wanted > 0)).sum().item()

    return run


def autograd_epoch(plain: Plain, batch: int, tested: bool) -> Callable[[], None]:
    """A function that trains one more epoch with slices, and sums the metrics in tensors."""

    def run() -> None:
        plain.epoch += 1
        x, labels = plain.tensors(plain.problem.train(0, plain.epoch))
        loss_sum, right = torch.zeros(()), torch.zeros(())
        for begin in range(0, len(x), batch):
            part, wanted = x[begin : begin + batch], labels[begin : begin + batch]
            loss, logits = plain.step(part, wanted)
            loss_sum += loss.detach()
            right += ((logits > 0) == (wanted > 0)).sum()
        if tested:
            x, labels = plain.tensors(plain.problem.test(0, plain.epoch))
            with torch.no_grad():
                for begin in range(0, len(x), TEST_CHUNK):
                    part, wanted = x[begin : begin + TEST_CHUNK], labels[begin : begin + TEST_CHUNK]
                    right += ((plain.model(part).squeeze(1) > 0) == (wanted > 0)).sum()

    return run


def accuracy(plain: Plain) -> float:
    """The share of the epoch's test that the network has right."""
    x, labels = plain.tensors(plain.problem.test(0, plain.epoch))
    right = 0
    with torch.no_grad():
        for begin in range(0, len(x), TEST_CHUNK):
            part, wanted = x[begin : begin + TEST_CHUNK], labels[begin : begin + TEST_CHUNK]
            right += int(((plain.model(part).squeeze(1) > 0) == (wanted > 0)).sum())
    return right / len(x)

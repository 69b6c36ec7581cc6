"""One training step of a pack, whoever takes it and however often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from dfa_tune.learning.alignment import cosine, cosine_of_rows
from dfa_tune.learning.batches import Batch, Batches
from dfa_tune.learning.losses import cross_entropy, probability
from dfa_tune.learning.matmul import tuple_sums
from dfa_tune.learning.network import PackedNetwork, Pass
from dfa_tune.learning.optimizers._base import Base


@dataclass
class Sums:
    """An epoch's sums over its tuples, (P,) in float64 each: of the losses, and of the right answers."""

    loss: Tensor
    correct: Tensor

    @classmethod
    def zeros(cls, members: int, device: torch.device) -> Sums:
        """Of no tuple yet."""
        return cls(*(torch.zeros(members, dtype=torch.float64, device=device) for _ in range(2)))

    def clear(self) -> Sums:
        """These, of no tuple again."""
        self.loss.zero_()
        self.correct.zero_()
        return self

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: logits (P, B), labels (P or 1, B)."""
        self.loss += tuple_sums(cross_entropy(logits, labels))
        self.correct += ((logits > 0) == (labels > 0)).sum(1)


class Step:
    """Forward pass, sums of the training metrics, deltas and the optimizers, on one batch.

    Nothing here reads a number from the device or brings one there: on a GPU, steps queue up while the
    host is ahead of them, and one can be recorded (`graph.py`). `learning_rate` is (P, 1, 1).
    """

    def __init__(
        self, network: PackedNetwork, optimizer: type[Base], learning_rate: Tensor, decay: float
    ) -> None:
        self.network, self._learning_rate, self._decay = network, learning_rate, decay
        self.optimizers = {name: optimizer(parameter) for name, parameter in network.parameters().items()}
        self._buffers: dict[str, Tensor] = {}

    def take(self, batches: Batches, batch: Batch, t: int | Tensor, sums: Sums | None) -> None:
        """Step number t (from 1) on a batch, whose metrics are added to `sums` if there are any."""
        done, error = self._errors(batches, batch, sums)
        deltas = self.network.deltas(done, error) if self.network.rule.trains_hidden else []
        self._apply(done, error, deltas, t)

    def take_measured(self, batches: Batches, batch: Batch, t: int, sums: Sums) -> dict[str, Tensor]:
        """The same step, and the alignments that belong to it, (P,): B and w2 as they are before it."""
        network, weight = self.network, self.network.layers[0].weight
        done, error = self._errors(batches, batch, sums)
        deltas = network.deltas(done, error)
        gradient = network.first_gradient(done, deltas)
        bp_gradient = network.first_gradient(done, network.deltas(done, error, backpropagate=True))
        before, feedback_alignment = weight.clone(), self._feedback_alignment()
        self._apply(done, error, deltas, t)
        measured = {
            "feedback_alignment": feedback_alignment,
            "gradient_alignment": cosine(gradient, bp_gradient),
            "gradient_alignment_rows": cosine_of_rows(gradient, bp_gradient),
            "step_alignment": cosine(before - weight, bp_gradient),
        }
        return {name: value for name, value in measured.items() if value is not None}

    def _errors(self, batches: Batches, batch: Batch, sums: Sums | None) -> tuple[Pass, Tensor]:
        done = self.network.forward(batch.x, batches.known(batch))
        # The gradient of the mean over the batch, which may be shorter at the end
        error = (probability(done.logits) - batch.labels).div_(batch.labels.shape[1])
        if sums is not None:
            sums.add(done.logits, batch.labels)
        return done, error

    def _apply(self, done: Pass, error: Tensor, deltas: list[Tensor], t: int | Tensor) -> None:
        self.network.apply(
            done, error, deltas, self.optimizers, self._learning_rate, self._decay, t, self._buffers
        )

    def _feedback_alignment(self) -> Tensor | None:
        """The cosine of the last hidden layer's feedback and the output weights, (P,)."""
        transport = self.network.rule.transport
        if transport is None:
            return None
        output = self.network.output.transpose(1, 2)
        return cosine(transport(output, self.network.feedback[-1]), output)


@contextmanager
def evaluated_parameters(optimizers: Mapping[str, Base]) -> Iterator[None]:
    """While open, the network holds the parameters to be tested (see `Base.evaluated`)."""
    kept: dict[str, Tensor] = {}
    for name, optimizer in optimizers.items():
        value = optimizer.evaluated()
        if value is not optimizer.parameter:
            kept[name] = optimizer.parameter.clone()
            optimizer.parameter.copy_(value)
    try:
        yield
    finally:
        for name, parameter in kept.items():
            optimizers[name].parameter.copy_(parameter)

"""The training loop of a pack: members that differ in rate, seed and feedback, as one computation."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.learning.alignment import cosine, cosine_of_rows
from dfa_tune.learning.losses import cross_entropy, probability
from dfa_tune.learning.network import PackedNetwork, Pass
from dfa_tune.learning.optimizers._base import Base
from dfa_tune.learning.products import tuple_sums
from dfa_tune.learning.settings import Network, Training
from dfa_tune.problems.draw import Draw, Problem
from dfa_tune.registry import OPTIMIZERS, RULES

TEST_CHUNK = 1024  # tuples tested at once: bounds memory, and fixes the order of sums
METRICS = (
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "feedback_alignment",
    "gradient_alignment",
    "gradient_alignment_rows",
    "step_alignment",
)


@dataclass(frozen=True)
class Member:
    """What is a member's own in a pack."""

    learning_rate: float
    seed: int
    feedback: str | None = None


class PackTraining:
    """Trains P members of one problem, network, rule and optimizer; each `run_epoch` is one epoch of all.

    Rows are dictionaries, one a member and evaluated epoch: `member` (its position), `epoch`, the
    METRICS (None where they do not apply, or are no longer finite), `diverged` and `seconds` (wall
    time since the last row, divided by P).
    """

    def __init__(
        self,
        problem: Problem,
        network: Network,
        training: Training,
        rule: str,
        optimizer: str,
        members: Sequence[Member],
        device: torch.device | str = "cpu",
    ) -> None:
        self.problem, self.training, self.members = problem, training, list(members)
        self.rule = RULES[rule]
        self.device = torch.device(device)
        seeds = [member.seed for member in members]
        # A centre that is a whole number leaves bytes exact in bfloat16's 8 bits
        self.centre = round(problem.mean) if training.precision == "bfloat16" else problem.mean
        self.network = PackedNetwork(
            network,
            self.rule,
            problem.inputs,
            seeds,
            [member.feedback for member in members],
            scale=1 / problem.std,
            precision=training.precision,
            device=self.device,
        )
        kind: type[Base] = OPTIMIZERS[optimizer]
        self.optimizers = {name: kind(parameter) for name, parameter in self.network.parameters().items()}
        rates = torch.tensor([member.learning_rate for member in members], dtype=self.network.dtype)
        self.learning_rate = rates.view(-1, 1, 1).to(self.device)
        self.streams = list(dict.fromkeys(seeds))  # members with one seed see one stream of data
        self._stream_of = [self.streams.index(seed) for seed in seeds]
        self._items: dict[int, tuple[NDArray[Any], Tensor]] = {}
        self._buffers: dict[str, Tensor] = {}
        self.epoch, self.steps = 0, 0
        self.diverged = [False] * len(members)
        self._clock = 0.0

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done."""
        return self.epoch >= self.training.epochs

    def run_epoch(self) -> list[dict[str, Any]]:
        """Train one epoch of every member; its rows, none where this epoch is not evaluated."""
        start = time.perf_counter()
        self.epoch += 1
        evaluated = self.epoch % self.training.evaluate_every == 0 or self.finished
        metrics = self._train([self.problem.train(seed, self.epoch) for seed in self.streams], evaluated)
        if evaluated:
            metrics |= self._test([self.problem.test(seed, self.epoch) for seed in self.streams])
            values = {name: value.tolist() for name, value in metrics.items() if value is not None}
        self._clock += time.perf_counter() - start
        return self._rows(values) if evaluated else []

    # -- training -------------------------------------------------------------------------------

    def _train(self, draws: list[Draw], evaluated: bool) -> dict[str, Tensor | None]:
        samples = len(draws[0].labels)
        size = samples if self.training.batch_size == "full" else min(self.training.batch_size, samples)
        batches = _Batches(self, draws, size)
        last_full = samples // size - 1
        loss = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        correct = torch.zeros_like(loss)
        alignments: dict[str, Tensor | None] = {}
        for index, begin in enumerate(range(0, samples, size)):
            x, labels = batches.get(slice(begin, begin + size))
            done = self.network.forward(x)
            # The gradient of the mean over the batch, which may be shorter at the end
            error = (probability(done.logits) - labels).div_(labels.shape[1])
            if evaluated:
                loss += tuple_sums(cross_entropy(done.logits, labels))
                correct += ((done.logits > 0) == (labels > 0)).sum(1)
            measure = evaluated and index == last_full and self.rule.trains_hidden
            self.steps += 1
            if measure:
                alignments = self._measured_step(done, error)
            else:
                self._step(done, error, self._deltas(done, error))
        return {"train_loss": loss / samples, "train_accuracy": correct / samples, **alignments}

    def _deltas(self, done: Pass, error: Tensor) -> list[Tensor]:
        return self.network.deltas(done, error) if self.rule.trains_hidden else []

    def _step(self, done: Pass, error: Tensor, deltas: list[Tensor]) -> None:
        self.network.apply(
            done,
            error,
            deltas,
            self.optimizers,
            self.learning_rate,
            self.training.weight_decay,
            self.steps,
            self._buffers,
        )

    def _measured_step(self, done: Pass, error: Tensor) -> dict[str, Tensor | None]:
        """The same step, and the alignments that belong to it: B and w2 as they are before it."""
        network, weight = self.network, self.network.layers[0].weight
        deltas = network.deltas(done, error)
        gradient = network.first_gradient(done, deltas)
        bp_gradient = network.first_gradient(done, network.deltas(done, error, backpropagate=True))
        before, feedback_alignment = weight.clone(), self._feedback_alignment()
        self._step(done, error, deltas)
        return {
            "feedback_alignment": feedback_alignment,
            "gradient_alignment": cosine(gradient, bp_gradient),
            "gradient_alignment_rows": cosine_of_rows(gradient, bp_gradient),
            "step_alignment": cosine(before - weight, bp_gradient),
        }

    def _feedback_alignment(self) -> Tensor | None:
        """The cosine of the last hidden layer's feedback and the output weights, (P,)."""
        if self.rule.transport is None:
            return None
        output = self.network.output.transpose(1, 2)
        return cosine(self.rule.transport(output, self.network.feedback[-1]), output)

    # -- testing --------------------------------------------------------------------------------

    def _evaluated(self, name: str) -> Tensor:
        return self.optimizers[name].evaluated()

    def _test(self, draws: list[Draw]) -> dict[str, Tensor | None]:
        samples = len(draws[0].labels)
        batches = _Batches(self, draws, min(TEST_CHUNK, samples))
        loss = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        correct = torch.zeros_like(loss)
        with _EvaluatedParameters(self):
            for begin in range(0, samples, TEST_CHUNK):
                x, labels = batches.get(slice(begin, begin + TEST_CHUNK))
                logits = self.network.forward(x).logits
                loss += cross_entropy(logits, labels).sum(1)
                correct += ((logits > 0) == (labels > 0)).sum(1)
        return {"test_loss": loss / samples, "test_accuracy": correct / samples}

    # -- rows -----------------------------------------------------------------------------------

    def _rows(self, values: dict[str, list[float]]) -> list[dict[str, Any]]:
        seconds, self._clock = self._clock / len(self.members), 0.0
        rows = []
        for member in range(len(self.members)):
            found = {name: values[name][member] if name in values else None for name in METRICS}
            # A network whose logits are not numbers still scores some accuracy: the losses decide
            if not all(math.isfinite(value) for value in found.values() if value is not None):
                self.diverged[member] = True
            if self.diverged[member]:
                found = dict.fromkeys(METRICS)
            rows.append(
                {
                    "member": member,
                    "epoch": self.epoch,
                    **found,
                    "diverged": self.diverged[member],
                    "seconds": seconds,
                }
            )
        return rows

    def weights(self, member: int) -> dict[str, Tensor]:
        """A member's parameters as tested, its frozen layers and its feedback, on the CPU."""
        tensors = {name: self._evaluated(name) for name in self.network.parameters()} | self.network.frozen()
        return {name: tensor[member].cpu().contiguous() for name, tensor in tensors.items()}


class _EvaluatedParameters:
    """While open, the network holds the parameters to be tested (see `Base.evaluated`)."""

    def __init__(self, training: PackTraining) -> None:
        self._optimizers = training.optimizers
        self._kept: dict[str, Tensor] = {}

    def __enter__(self) -> None:
        for name, optimizer in self._optimizers.items():
            value = optimizer.evaluated()
            if value is not optimizer.parameter:
                self._kept[name] = optimizer.parameter.clone()
                optimizer.parameter.copy_(value)

    def __exit__(self, *_: object) -> None:
        for name, kept in self._kept.items():
            self._optimizers[name].parameter.copy_(kept)


class _Batches:
    """Gathers batches of draws, one draw a stream, into buffers that are used again.

    A batch is x (P or 1, B, D), centred but not scaled, and labels (P or 1, B); both in the weights'
    type, and with a leading 1 where all members share one stream.
    """

    def __init__(self, training: PackTraining, draws: list[Draw], size: int) -> None:
        network = training.network
        self._stream_of, self._shared = training._stream_of, len(draws) == 1
        self._expand = training._stream_of != list(range(len(draws))) and not self._shared
        self._items = [_item_tensor(training, stream, draw.items) for stream, draw in enumerate(draws)]
        self._shape = draws[0].items.shape[1:]
        self._indices = [
            torch.from_numpy(np.ascontiguousarray(draw.indices)).to(training.device) for draw in draws
        ]
        labels = np.stack([draw.labels for draw in draws])
        self._labels = torch.from_numpy(labels).to(training.device).to(network.dtype)
        self._x = torch.empty(
            len(draws), size, training.problem.inputs, dtype=network.dtype, device=training.device
        )
        self._centre = torch.tensor(training.centre, dtype=network.dtype, device=training.device)

    def get(self, part: slice) -> tuple[Tensor, Tensor]:
        labels = self._labels[:, part]
        x = self._x[:, : labels.shape[1]]
        for items, indices, out in zip(self._items, self._indices, x, strict=True):
            chosen = indices[part]  # (B, k)
            rows, columns = self._shape
            gathered = torch.index_select(items, 0, chosen.reshape(-1)).view(*chosen.shape, rows, columns)
            # Row by row: each row of the tuple holds that row of its k items
            torch.sub(
                gathered.permute(0, 2, 1, 3),
                self._centre,
                out=out.view(len(chosen), rows, chosen.shape[1], columns),
            )
        if self._expand:
            return x[self._stream_of], labels[self._stream_of]
        return x, labels


def _item_tensor(training: PackTraining, stream: int, items: NDArray[Any]) -> Tensor:
    """The items on the device, (M, rows * columns); copied there once while they stay the same array."""
    for known, tensor in training._items.values():
        if known is items:
            return tensor
    array = items.reshape(len(items), -1)
    # from_numpy warns of arrays over read-only memory; nothing here writes to them
    tensor = torch.from_numpy(array if array.flags.writeable else array.copy()).to(training.device)
    if len(training._items) >= 2 * len(training.streams):
        training._items.clear()
    training._items[id(items)] = (items, tensor)
    return tensor

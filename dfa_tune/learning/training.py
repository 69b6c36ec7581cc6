"""The training loop of a pack: members that differ in rate, seed and feedback, as one computation."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dfa_tune.learning.alignment import cosine, cosine_of_rows
from dfa_tune.learning.batches import Batch, Batches, Items, item_order
from dfa_tune.learning.frozen import Table, pays
from dfa_tune.learning.losses import cross_entropy, probability
from dfa_tune.learning.network import PackedNetwork, Pass
from dfa_tune.learning.optimizers._base import Base
from dfa_tune.learning.products import tuple_sums
from dfa_tune.learning.settings import Network, Training
from dfa_tune.problems.draw import Draw, Problem
from dfa_tune.registry import OPTIMIZERS, RULES

TEST_CHUNK = 256  # tuples tested at once: they stay in the cache, and the order of sums is fixed
ENTERED = ("hidden.0.weight", "hidden.0.gate_weight")  # parameters whose rows are inputs
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


@dataclass
class _Epoch:
    """An epoch on its way. Its sums and alignments are those of the members, (P,)."""

    batches: Batches
    samples: int
    size: int  # tuples a batch
    evaluated: bool
    loss: Tensor
    correct: Tensor
    alignments: dict[str, Tensor]
    batch: int = 0  # the next one

    @property
    def finished(self) -> bool:
        return self.batch * self.size >= self.samples

    @property
    def last_full(self) -> int:
        """The batch on which alignments are measured."""
        return self.samples // self.size - 1


class PackTraining:
    """Trains P members of one problem, network, rule and optimizer, epoch by epoch, all at once.

    `advance` may stop anywhere, and what `state` gives lets another process go on, bit for bit. Rows
    are dictionaries, one a member and evaluated epoch: `member` (its position), `epoch`, the METRICS
    (None where they do not apply, or are no longer finite), `diverged` and `seconds` (wall time since
    the last row, divided by P).
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
        self.streams = list(dict.fromkeys(seeds))  # members with one seed see one stream of data
        self._stream_of = [self.streams.index(seed) for seed in seeds]
        first = problem.train(seeds[0], 1)  # its shape tells how tuples are laid out
        rows, columns = first.items.shape[1:]
        self._order = item_order(rows, columns, first.indices.shape[1])
        self._samples = len(first.labels)
        self.network = PackedNetwork(
            network,
            self.rule,
            problem.inputs,
            seeds,
            [member.feedback for member in members],
            scale=1 / problem.std,
            precision=training.precision,
            device=self.device,
            order=self._order,
        )
        kind: type[Base] = OPTIMIZERS[optimizer]
        self.optimizers = {name: kind(parameter) for name, parameter in self.network.parameters().items()}
        rates = torch.tensor([member.learning_rate for member in members], dtype=self.network.dtype)
        self.learning_rate = rates.view(-1, 1, 1).to(self.device)
        self._items = Items(self.device, most=2 * len(self.streams))
        self._tables: list[Table] = []
        self._buffers: dict[str, Tensor] = {}
        self.epoch, self.steps = 0, 0
        self.diverged = [False] * len(members)
        self._clock = 0.0
        self._current: _Epoch | None = None

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done."""
        return self.epoch >= self.training.epochs and self._current is None

    def run_epoch(self) -> list[dict[str, Any]]:
        """Train to the end of an epoch; its rows, none where this epoch is not evaluated."""
        return self._run(math.inf)

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """Train for so long, a batch at least, or to the end; the rows of the epochs that ended meanwhile."""
        deadline = time.perf_counter() + seconds
        rows = [] if self.finished else self._run(deadline)
        while not self.finished and time.perf_counter() < deadline:
            rows += self._run(deadline)
        return rows

    def _run(self, deadline: float) -> list[dict[str, Any]]:
        """A batch, and more until the epoch ends, or the time; the epoch's rows where it has ended."""
        start = time.perf_counter()
        if self._current is None:
            self.epoch += 1
            self._current = self._begin()
        epoch, values = self._current, {}
        self._train(epoch)
        while not epoch.finished and time.perf_counter() < deadline:
            self._train(epoch)
        if epoch.finished:
            self._current = None
            if epoch.evaluated:
                metrics = {"train_loss": epoch.loss / epoch.samples}
                metrics |= {"train_accuracy": epoch.correct / epoch.samples, **epoch.alignments}
                metrics |= self._test([self.problem.test(seed, self.epoch) for seed in self.streams])
                values = {name: value.tolist() for name, value in metrics.items()}
        self._clock += time.perf_counter() - start
        return self._rows(values) if values else []

    # -- training -------------------------------------------------------------------------------

    def _begin(self) -> _Epoch:
        """The epoch `self.epoch`, at its first batch."""
        draws = [self.problem.train(seed, self.epoch) for seed in self.streams]
        full = self.training.batch_size == "full"
        size = self._samples if full else min(int(self.training.batch_size), self._samples)
        last = self.epoch >= self.training.epochs
        return _Epoch(
            self._batches(draws, size, tuples=self._samples * self.training.epochs),
            self._samples,
            size,
            last or self.epoch % self.training.evaluate_every == 0,
            loss=torch.zeros(len(self.members), dtype=torch.float64, device=self.device),
            correct=torch.zeros(len(self.members), dtype=torch.float64, device=self.device),
            alignments={},
        )

    def _train(self, epoch: _Epoch) -> None:
        """One batch."""
        begin = epoch.batch * epoch.size
        batch = epoch.batches.get(slice(begin, begin + epoch.size))
        done = self._forward(epoch.batches, batch)
        # The gradient of the mean over the batch, which may be shorter at the end
        error = (probability(done.logits) - batch.labels).div_(batch.labels.shape[1])
        if epoch.evaluated:
            epoch.loss += tuple_sums(cross_entropy(done.logits, batch.labels))
            epoch.correct += ((done.logits > 0) == (batch.labels > 0)).sum(1)
        self.steps += 1
        if epoch.evaluated and epoch.batch == epoch.last_full and self.rule.trains_hidden:
            epoch.alignments = self._measured_step(done, error)
        else:
            self._step(done, error, self._deltas(done, error))
        epoch.batch += 1

    def _batches(self, draws: list[Draw], size: int, tuples: int) -> Batches:
        """Batches of an epoch or a test; `tuples`: how many of their kind there will be in all."""
        frozen = not self.rule.trains_hidden
        known = (frozen or self.rule.gate is not None) and pays(len(draws[0].items), tuples)
        batches = Batches(
            draws,
            self._items,
            self._stream_of,
            size,
            self.centre,
            self.network.dtype,
            self.device,
            inputs=not (frozen and known),
        )
        batches.tables = (
            [self._table(stream, items) for stream, items in enumerate(batches.items)] if known else []
        )
        return batches

    def _table(self, stream: int, items: Tensor) -> Table:
        """The frozen products of a stream's items, computed once while they stay the same."""
        for table in self._tables:
            if table.items is items and table.stream == stream:
                return table
        if len(self._tables) >= 2 * len(self.streams):
            self._tables.clear()
        weight, bias = self.network.frozen_products(self._stream_of.index(stream))
        table = Table(items, weight, bias, self.centre, self.network.scale, self.network.operand, stream)
        self._tables.append(table)
        return table

    def _forward(self, batches: Batches, batch: Batch) -> Pass:
        return self.network.forward(batch.x, batches.known(batch))

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

    def _measured_step(self, done: Pass, error: Tensor) -> dict[str, Tensor]:
        """The same step, and the alignments that belong to it: B and w2 as they are before it."""
        network, weight = self.network, self.network.layers[0].weight
        deltas = network.deltas(done, error)
        gradient = network.first_gradient(done, deltas)
        bp_gradient = network.first_gradient(done, network.deltas(done, error, backpropagate=True))
        before, feedback_alignment = weight.clone(), self._feedback_alignment()
        self._step(done, error, deltas)
        measured = {
            "feedback_alignment": feedback_alignment,
            "gradient_alignment": cosine(gradient, bp_gradient),
            "gradient_alignment_rows": cosine_of_rows(gradient, bp_gradient),
            "step_alignment": cosine(before - weight, bp_gradient),
        }
        return {name: value for name, value in measured.items() if value is not None}

    def _feedback_alignment(self) -> Tensor | None:
        """The cosine of the last hidden layer's feedback and the output weights, (P,)."""
        if self.rule.transport is None:
            return None
        output = self.network.output.transpose(1, 2)
        return cosine(self.rule.transport(output, self.network.feedback[-1]), output)

    # -- testing --------------------------------------------------------------------------------

    def _evaluated(self, name: str) -> Tensor:
        return self.optimizers[name].evaluated()

    def _test(self, draws: list[Draw]) -> dict[str, Tensor]:
        samples = len(draws[0].labels)
        tests = -(-self.training.epochs // self.training.evaluate_every)
        batches = self._batches(draws, min(TEST_CHUNK, samples), tuples=samples * tests)
        loss = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        correct = torch.zeros_like(loss)
        with _EvaluatedParameters(self):
            for begin in range(0, samples, TEST_CHUNK):
                batch = batches.get(slice(begin, begin + TEST_CHUNK))
                logits = self._forward(batches, batch).logits
                loss += cross_entropy(logits, batch.labels).sum(1)
                correct += ((logits > 0) == (batch.labels > 0)).sum(1)
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

    # -- what stays -----------------------------------------------------------------------------

    def weights(self, member: int) -> dict[str, Tensor]:
        """A member's parameters as tested, its frozen layers and its feedback, on the CPU.

        The first layer's rows are in the thesis' order: tuples flattened row by row.
        """
        tensors = {name: self._evaluated(name) for name in self.network.parameters()} | self.network.frozen()
        kept = {name: tensor[member].cpu() for name, tensor in tensors.items()}
        place = torch.from_numpy(np.argsort(self._order))
        return {name: (t[place] if name in ENTERED else t).contiguous() for name, t in kept.items()}

    def state(self) -> dict[str, Tensor]:
        """All that `restore` needs to go on from here, and views of it: write it before training on.

        Data, frozen layers and feedback are not in it: seeds give them.
        """
        state = {f"parameter.{name}": tensor for name, tensor in self.network.parameters().items()}
        for name, optimizer in self.optimizers.items():
            state |= {f"optimizer.{name}.{slot}": tensor for slot, tensor in enumerate(optimizer.state)}
        epoch = self._current
        batch = -1 if epoch is None else epoch.batch
        state["position"] = torch.tensor([self.epoch, self.steps, batch])
        state["diverged"] = torch.tensor(self.diverged)
        state["clock"] = torch.tensor(self._clock, dtype=torch.float64)
        if epoch is not None:
            state |= {"sum.loss": epoch.loss, "sum.correct": epoch.correct}
            state |= {f"alignment.{name}": value for name, value in epoch.alignments.items()}
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from where a training of the same pack was; ValueError where the state is not of one."""
        mine = self.state()
        for name, tensor in mine.items():
            given = state.get(name)
            if given is None or given.shape != tensor.shape or given.dtype != tensor.dtype:
                raise ValueError(f"{name}: not the state of this pack")
        for name, tensor in mine.items():
            if name.startswith(("parameter.", "optimizer.")):
                tensor.copy_(state[name])
        self.epoch, self.steps, batch = state["position"].tolist()
        if not 0 <= self.epoch <= self.training.epochs:
            raise ValueError(f"position: epoch {self.epoch} of {self.training.epochs}")
        self.diverged = state["diverged"].tolist()
        self._clock = float(state["clock"])
        self._current = None
        if batch >= 0:
            self._current = epoch = self._begin()
            epoch.batch = batch
            epoch.loss += state["sum.loss"].to(self.device)
            epoch.correct += state["sum.correct"].to(self.device)
            epoch.alignments = {
                name.removeprefix("alignment."): value.to(self.device)
                for name, value in state.items()
                if name.startswith("alignment.")
            }


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

"""The training loop of a pack: members that differ in rate, seed and feedback, as one computation."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dfa_tune.learning.batches import Batches, item_order
from dfa_tune.learning.cuda_graph import WORTH_RECORDING, RecordedStep
from dfa_tune.learning.loader import Feed
from dfa_tune.learning.metrics import METRICS
from dfa_tune.learning.network import PackedNetwork
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.step import Step, Sums, evaluated_parameters
from dfa_tune.problems.epoch_sample import Problem
from dfa_tune.registry import OPTIMIZERS, RULES

ENTERED = ("hidden.0.weight", "hidden.0.gate_weight")  # parameters whose rows are inputs


@dataclass(frozen=True)
class Member:
    """What is a member's own in a pack."""

    learning_rate: float
    seed: int
    feedback: str | None = None


@dataclass
class _Epoch:
    """An epoch on its way. Alignments are the members', (P,)."""

    batches: Batches
    samples: int
    evaluated: bool
    sums: Sums
    alignments: dict[str, Tensor] = field(default_factory=dict)
    batch: int = 0  # the next one

    @property
    def finished(self) -> bool:
        return self.batch * self.batches.size >= self.samples

    @property
    def last_full(self) -> int:
        """The batch on which alignments are measured."""
        return self.samples // self.batches.size - 1


class PackTraining:
    """Trains P members of one problem, network, rule and optimizer, epoch by epoch, all at once.

    `advance` may stop anywhere, and what `state` gives lets another process go on, bit for bit. Rows
    are dictionaries, one a member and evaluated epoch: `member` (its position), `epoch`, the METRICS
    (None where they do not apply, or are no longer finite), `diverged` and `seconds` (wall time since
    the last row, divided by P).

    `recorded`: full batches are steps of one recorded computation, which a GPU replays (`graph.py`); None: on
    a GPU, where there are enough of them. Numbers do not depend on it.
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
        recorded: bool | None = None,
    ) -> None:
        self.problem, self.training, self.members = problem, training, list(members)
        self.rule = RULES[rule]
        self.device = torch.device(device)
        seeds = [member.seed for member in members]
        first = problem.train(seeds[0], 1)  # its shape tells how tuples are laid out
        rows, columns = first.items.shape[1:]
        self._order = item_order(rows, columns, first.indices.shape[1])
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
        samples = len(first.labels)
        size = samples if training.batch_size == "full" else min(int(training.batch_size), samples)
        self._feed = Feed(problem, training, self.network, seeds, samples, size)
        rates = torch.tensor([member.learning_rate for member in members], dtype=self.network.dtype)
        rates = rates.view(-1, 1, 1).to(self.device)
        self._step = Step(self.network, OPTIMIZERS[optimizer], rates, training.weight_decay)
        self.optimizers = self._step.optimizers
        for one in self.optimizers.values():
            one.fuse(training.epochs * -(-samples // size))
        if recorded is None:
            enough = training.epochs * (samples // size) >= WORTH_RECORDING
            recorded = self.device.type == "cuda" and enough
        self._records = recorded
        self._recorded: RecordedStep | None = None
        self.epoch, self.steps = 0, 0
        self.diverged = [False] * len(members)
        self._clock = 0.0
        self._current: _Epoch | None = None

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done."""
        return self.epoch >= self.training.epochs and self._current is None

    @property
    def captured(self) -> bool:
        """Whether full batches are a CUDA graph by now."""
        return self._recorded is not None and self._recorded.captured

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
        epoch, metrics, values = self._current, {}, []
        self._train(epoch)
        while not epoch.finished and time.perf_counter() < deadline:
            self._train(epoch)
        if epoch.finished:
            self._current = None
            if self.device.type != "cpu" and not self.finished:  # the GPU is at its steps still
                self._feed.draw_ahead(self.epoch + 1)
            if epoch.evaluated:
                metrics = self._metrics(epoch)
            values = torch.stack(list(metrics.values())).tolist() if metrics else []  # waits for the device
        self._clock += time.perf_counter() - start
        return self._rows(dict(zip(metrics, values, strict=True))) if metrics else []

    def _metrics(self, epoch: _Epoch) -> dict[str, Tensor]:
        """Of an evaluated epoch that has ended, (P,) in float64 each."""
        sums = epoch.sums
        trained = {"train_loss": sums.loss / epoch.samples, "train_accuracy": sums.correct / epoch.samples}
        return trained | epoch.alignments | self._test()

    # -- training -------------------------------------------------------------------------------

    def _begin(self) -> _Epoch:
        """The epoch `self.epoch`, at its first batch."""
        evaluated = self.epoch >= self.training.epochs or self.epoch % self.training.evaluate_every == 0
        if self._records:
            self._record()
        if (recorded := self._recorded) is not None:
            return _Epoch(recorded.batches, self._feed.samples, evaluated, recorded.sums.clear())
        sums = Sums.zeros(len(self.members), self.device)
        return _Epoch(self._feed.train(self.epoch), self._feed.samples, evaluated, sums)

    def _record(self) -> None:
        """Ready the recorded step for the epoch, or give it up where the epoch's items are new ones."""
        if self._recorded is None:
            fixed, sums = self._feed.train_fixed(self.epoch), Sums.zeros(len(self.members), self.device)
            self._recorded = RecordedStep(self._step, fixed, sums)
        elif not self._feed.load(self._recorded.batches, self.epoch):
            self._records, self._recorded = False, None

    def _train(self, epoch: _Epoch) -> None:
        """One batch."""
        begin, end = epoch.batch * epoch.batches.size, (epoch.batch + 1) * epoch.batches.size
        self.steps += 1
        measured = epoch.evaluated and epoch.batch == epoch.last_full and self.rule.trains_hidden
        if self._recorded is not None and end <= epoch.samples and not measured:
            self._recorded.take(begin, self.steps)
        else:
            batch = epoch.batches.get(slice(begin, end))
            if measured:
                epoch.alignments = self._step.take_measured(epoch.batches, batch, self.steps, epoch.sums)
            else:
                self._step.take(epoch.batches, batch, self.steps, epoch.sums if epoch.evaluated else None)
        epoch.batch += 1

    # -- testing --------------------------------------------------------------------------------

    def _test(self) -> dict[str, Tensor]:
        batches, samples = self._feed.test(self.epoch)
        sums = Sums.zeros(len(self.members), self.device)
        with evaluated_parameters(self.optimizers):
            for begin in range(0, samples, batches.size):
                batch = batches.get(slice(begin, begin + batches.size))
                sums.add(self.network.forward(batch.x, batches.known(batch)).logits, batch.labels)
        return {"test_loss": sums.loss / samples, "test_accuracy": sums.correct / samples}

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
        tensors = {name: one.evaluated() for name, one in self.optimizers.items()} | self.network.frozen()
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
            state |= {"sum.loss": epoch.sums.loss, "sum.correct": epoch.sums.correct}
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
            trained = Sums(
                state["sum.loss"].clone(), state["sum.correct"].clone()
            )  # may be those of this pack
            self._current = epoch = self._begin()
            epoch.batch = batch
            epoch.sums.loss += trained.loss.to(self.device)
            epoch.sums.correct += trained.correct.to(self.device)
            epoch.alignments = {
                name.removeprefix("alignment."): value.to(self.device)
                for name, value in state.items()
                if name.startswith("alignment.")
            }

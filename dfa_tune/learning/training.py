"""The training loop of a pack: members that differ in rate, seed and feedback, as one computation."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dfa_tune.learning.batches import item_order
from dfa_tune.learning.cuda_graph import WORTH_RECORDING, RecordedStep
from dfa_tune.learning.epoch import Epoch, numbers
from dfa_tune.learning.epoch_sums import Sums
from dfa_tune.learning.first_layer.sparse import check_compiler
from dfa_tune.learning.initialisation import initial_network
from dfa_tune.learning.loader import Loader
from dfa_tune.learning.losses import LOSSES
from dfa_tune.learning.metrics import metric_rows
from dfa_tune.learning.resume import ALIGNMENT, checked_position
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.step import Step, evaluated_parameters
from dfa_tune.problems.epoch_sample import Problem
from dfa_tune.problems.validation import check_items, check_sample, check_scale
from dfa_tune.registry import OPTIMIZERS, RULES

INPUT_ROWS = ("hidden.0.weight", "hidden.0.gate_weight")  # tensors with one row for each input


@dataclass(frozen=True)
class Member:
    """What may differ between the members of a pack."""

    learning_rate: float
    seed: int
    feedback: str | None = None


class PackTraining:
    """Trains P members of one problem, network, rule and optimizer together, epoch by epoch.

    Rows are dictionaries, one for each member and evaluated epoch (see `metrics.metric_rows`). `seconds` is
    the wall time since the last row, divided by P. A training may stop after any batch: another process that
    restores what `state` gives continues with the same numbers, bit for bit.

    `recorded`: take steps on full batches as one recorded computation, which a GPU replays (`cuda_graph.py`).
    None: on a GPU, where there are enough steps. Numbers do not depend on it. `options`: the optimizer's that
    are not at their default, {"rho": 0.99}.

    `sparse`: let the first layer skip inputs that are zero, in float32 on a CPU. Numbers then are rounded in
    another way, which does not depend on the processor.
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
        options: Mapping[str, float] | None = None,
        sparse: bool = False,
    ) -> None:
        self.problem, self.training, self.members = problem, training, list(members)
        self.rule = RULES[rule]
        self.device = torch.device(device)
        seeds = [member.seed for member in members]
        first = problem.train(seeds[0], 1)  # for the shape of an epoch and of its tuples
        check_scale(problem)
        check_items(first.items, problem.settings)
        check_sample(first, problem.settings, None, "training epoch 1")
        rows, columns = first.items.shape[1:]
        portable = sparse and self.device.type == "cpu" and training.precision == "float32"
        if portable:
            check_compiler()
        self._order = item_order(rows, columns, first.indices.shape[1])
        self.network = initial_network(
            network,
            self.rule,
            problem.inputs,
            seeds,
            [member.feedback for member in members],
            outputs=problem.settings.outputs,
            scale=1 / problem.std,
            precision=training.precision,
            device=self.device,
            order=self._order,
            portable=portable,
        )
        samples = len(first.labels)
        size = samples if training.batch_size == "full" else min(int(training.batch_size), samples)
        self._loader = Loader(problem, training, self.network, seeds, samples, size)
        rates = torch.tensor([member.learning_rate for member in members], dtype=self.network.dtype)
        rates = rates.view(-1, 1, 1).to(self.device)
        self._loss = LOSSES[training.loss or problem.settings.loss]
        self._step = Step(
            self.network, self._loss, OPTIMIZERS[optimizer], rates, training.weight_decay, options
        )
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
        self._current: Epoch | None = None

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done."""
        return self.epoch >= self.training.epochs and self._current is None

    @property
    def epochs_ended(self) -> int:
        """How many epochs are done; `epoch` also counts the one in training."""
        return self.epoch - (self._current is not None)

    @property
    def captured(self) -> bool:
        """Whether full batches are replayed as a CUDA graph."""
        return self._recorded is not None and self._recorded.captured

    def run_epoch(self) -> list[dict[str, Any]]:
        """Train to the end of an epoch, and give its rows: none where it is not evaluated."""
        return self._run(math.inf)

    def advance(self, seconds: float, until: int | None = None) -> list[dict[str, Any]]:
        """Train for about so many seconds, at least one batch, and give the rows of the epochs that ended.

        `until`: not beyond this epoch.
        """
        last = self.training.epochs if until is None else until
        deadline = time.perf_counter() + seconds
        rows = [] if self.epochs_ended >= last else self._run(deadline)
        while self.epochs_ended < last and time.perf_counter() < deadline:
            rows += self._run(deadline)
        return rows

    def _run(self, deadline: float) -> list[dict[str, Any]]:
        """Train one batch, and more until the epoch or the time ends; the epoch's rows if it has ended."""
        start = time.perf_counter()
        if self._current is None:
            self.epoch += 1
            self._current = self._begin()
        epoch, values = self._current, dict[str, Any]()
        self._train(epoch)
        while not epoch.finished and time.perf_counter() < deadline:
            self._train(epoch)
        if epoch.finished:
            self._current = None
            if self.device.type != "cpu" and not self.finished:  # while the GPU still computes
                self._loader.draw_ahead(self.epoch + 1)
            if epoch.evaluated:
                values = numbers(self._metrics(epoch))  # waits for the device
        self._clock += time.perf_counter() - start
        if not values:
            return []
        seconds, self._clock = self._clock / len(self.members), 0.0
        return metric_rows(values, self.diverged, self.epoch, seconds)

    def _metrics(self, epoch: Epoch) -> dict[str, Tensor]:
        """The metrics of an evaluated epoch that has ended, (P,) or (P, L) in float64 each."""
        sums = epoch.sums
        trained = {"train_loss": sums.loss / epoch.samples, "train_accuracy": sums.correct / epoch.samples}
        return trained | epoch.alignments | self._test()

    # -- training -------------------------------------------------------------------------------

    def _begin(self) -> Epoch:
        """The epoch number `self.epoch`, before its first batch."""
        evaluated = self.epoch >= self.training.epochs or self.epoch % self.training.evaluate_every == 0
        if self._records:
            self._record()
        if (recorded := self._recorded) is not None:  # cleared unread: their last labels are overwritten
            return Epoch(recorded.batches, self._loader.samples, evaluated, recorded.sums.clear())
        return Epoch(self._loader.train(self.epoch), self._loader.samples, evaluated, self._new_sums())

    def _new_sums(self) -> Sums:
        return Sums(self._loss, len(self.members), self.device)

    def _record(self) -> None:
        """Load the epoch into the recorded step; stop recording where its items are other arrays."""
        if self._recorded is None:
            fixed, sums = self._loader.train_fixed(self.epoch), self._new_sums()
            self._recorded = RecordedStep(self._step, fixed, sums)
        elif not self._loader.load(self._recorded.batches, self.epoch):
            self._records, self._recorded = False, None

    def _train(self, epoch: Epoch) -> None:
        """Take the step on the epoch's next batch."""
        begin, end = epoch.batch * epoch.batches.size, (epoch.batch + 1) * epoch.batches.size
        self.steps += 1
        measured = epoch.evaluated and epoch.batch == epoch.last_full and self.rule.trains_hidden
        if self._recorded is not None and end <= epoch.samples and not measured:
            self._recorded.take(begin, self.steps)
        else:
            batch = epoch.batches.get(slice(begin, end))
            if measured:
                epoch.alignments = self._step.take_measured(batch, self.steps, epoch.sums)
            else:
                self._step.take(batch, self.steps, epoch.sums if epoch.evaluated else None)
        epoch.batch += 1

    # -- testing --------------------------------------------------------------------------------

    def _test(self) -> dict[str, Tensor]:
        batches, samples = self._loader.test(self.epoch)
        sums = self._new_sums()
        with evaluated_parameters(self.optimizers):
            for begin in range(0, samples, batches.size):
                self._step.evaluate(batches.get(slice(begin, begin + batches.size)), sums)
        return {"test_loss": sums.loss / samples, "test_accuracy": sums.correct / samples}

    # -- weights and state ----------------------------------------------------------------------

    def weights(self, member: int) -> dict[str, Tensor]:
        """A member's parameters as they are tested, its frozen layers and its feedback, on the CPU.

        Rows of the first layer are in the order of a tuple's values, flattened row by row.
        """
        tensors = {name: one.evaluated() for name, one in self.optimizers.items()} | self.network.frozen()
        kept = {name: tensor[member].cpu() for name, tensor in tensors.items()}
        place = torch.from_numpy(np.argsort(self._order))
        return {name: (t[place] if name in INPUT_ROWS else t).contiguous() for name, t in kept.items()}

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs to continue from here. These are views: save them before training on.

        Data, frozen layers and feedback are not in it, since the seeds determine them.
        """
        state, epoch = self._state_between_epochs(), self._current
        if epoch is not None:
            state |= {"sum.loss": epoch.sums.loss, "sum.correct": epoch.sums.correct}
            state |= {f"{ALIGNMENT}{name}": value for name, value in epoch.alignments.items()}
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from the state of a training of the same pack.

        Raises ValueError, and changes nothing, where `state` is not that of such a training.
        """
        mine = self._state_between_epochs()
        position = checked_position(state, mine, self.training.epochs, self._batches_in_epoch)
        for name, tensor in mine.items():
            if name.startswith(("parameter.", "optimizer.")):
                tensor.copy_(state[name])
        self.epoch, self.steps, batch = position
        self.diverged = state["diverged"].tolist()
        self._clock = float(state["clock"])
        self._current = None
        if batch >= 0:
            # Copied: they may be this training's own sums, which beginning the epoch sets to zero
            loss, correct = state["sum.loss"].clone(), state["sum.correct"].clone()
            self._current = epoch = self._begin()
            epoch.batch = batch
            epoch.sums.loss.copy_(loss)
            epoch.sums.correct.copy_(correct)
            epoch.alignments = {
                name.removeprefix(ALIGNMENT): value.to(self.device)
                for name, value in state.items()
                if name.startswith(ALIGNMENT)
            }

    def _state_between_epochs(self) -> dict[str, Tensor]:
        state = {f"parameter.{name}": tensor for name, tensor in self.network.parameters().items()}
        for name, optimizer in self.optimizers.items():
            state |= {f"optimizer.{name}.{slot}": tensor for slot, tensor in enumerate(optimizer.state)}
        batch = -1 if self._current is None else self._current.batch
        state["position"] = torch.tensor([self.epoch, self.steps, batch])
        state["diverged"] = torch.tensor(self.diverged)
        state["clock"] = torch.tensor(self._clock, dtype=torch.float64)
        return state

    @property
    def _batches_in_epoch(self) -> int:
        return -(-self._loader.samples // self._loader.size)

"""A pack's way from its first batch, or its checkpoint, to its published rows. Ray is not needed here."""

from __future__ import annotations

import time
from functools import lru_cache
from pkgutil import resolve_name
from typing import Any

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.checkpoints import Checkpoint, Checkpoints
from dfa_tune.results.provenance import metadata
from dfa_tune.results.store import Store

# Between two checkpoints: often enough that little is repeated, seldom enough to cost next to nothing
SHORTEST, LONGEST = 5.0, 30.0  # seconds
SHARE = 0.02  # of the time may go into writing them, unless that makes it more than LONGEST


class UnwritableError(Exception):
    """Rows or a checkpoint cannot be written: no pack of this run will fare better."""


class PackRun:
    """A pack that is being trained. `config` is that of `PackTrainable`.

    Goes on from the pack's checkpoint where there is one.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self.pack = Pack.from_json(config["pack"])
        self._store = Store(config["results"], config["name"])
        self._checkpoints = Checkpoints(self._store)
        self._started = time.time()
        self._rows: list[dict[str, Any]] = []
        self.training = self._start()
        self._resume()
        self.saved = self.training.epoch / self.training.training.epochs  # the checkpoint's share of epochs
        self._saved_at, self._interval = time.monotonic(), SHORTEST
        self._first, self._spent = max(1, self.training.epoch), 0.0  # the epoch begun with, seconds since
        self.seconds = 0.0  # that the whole pack takes at the pace of the epochs that ended here; 0: none has

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return bool(self.training.finished)

    @property
    def progress(self) -> float:
        """The share of epochs begun."""
        return float(self.training.epoch / self.training.training.epochs)

    def advance(self, seconds: float) -> None:
        """Train for about so long; write a checkpoint where one is due, or raise UnwritableError."""
        begin, epoch = time.monotonic(), self.training.epoch
        self._rows += self.training.advance(seconds)
        self._spent += time.monotonic() - begin
        ended = self.training.epoch - self._first + self.finished
        if ended and (self.finished or self.training.epoch > epoch):
            self.seconds = self._spent / ended * self.training.training.epochs
        if not self.finished and time.monotonic() - self._saved_at >= self._interval:
            self._save()

    def publish(self) -> None:
        """Put the finished pack's rows, and weights where they are wanted, into the store."""
        device = str(self.training.device.type)
        columns = [{**trial.columns(), "device": device} for trial in self.pack.trials]
        diverged = self.training.diverged
        rows = [
            {
                **columns[member],
                **{k: v for k, v in row.items() if k != "member"},
                "diverged": diverged[member],
            }
            for row in self._rows
            for member in (row["member"],)
        ]
        provenance = metadata(
            self._config["space"], self._started, time.time(), device_name(device), cuda=cuda_version(device)
        )
        try:
            if self._config["save_weights"]:
                self._save_weights()
            self._store.publish(self.pack.id, rows, provenance)
            self._checkpoints.remove(self.pack.id)
        except UserError as error:
            raise UnwritableError(str(error)) from error

    def _start(self) -> Any:
        start = resolve_name(self._config["trainer"])
        return start(self.pack, self._config["data"], self._config["threads"])

    def _resume(self) -> None:
        found = self._checkpoints.load(self.pack, self._environment())
        if found is None:
            return
        try:
            self.training.restore(found.state)
        except (ValueError, KeyError, RuntimeError) as error:
            self._checkpoints.set_aside(self.pack.id, str(error))
            self.training = self._start()  # it may be half restored
        else:
            self._rows, self._started = found.rows, found.started

    def _save(self) -> None:
        begin = time.monotonic()
        checkpoint = Checkpoint(self.training.state(), self._rows, self._started)
        try:
            self._checkpoints.save(self.pack, self._environment(), checkpoint)
        except UserError as error:
            raise UnwritableError(str(error)) from error
        self._saved_at, self.saved = time.monotonic(), self.progress
        self._interval = min(LONGEST, max(SHORTEST, (self._saved_at - begin) / SHARE))

    def _environment(self) -> dict[str, str]:
        import torch

        return {"torch": str(torch.__version__), "device": str(self.training.device.type)}

    def _save_weights(self) -> None:
        from safetensors.torch import save

        for member, trial in enumerate(self.pack.trials):
            self._store.save_weights(trial.id, save(self.training.weights(member)))


def out_of_memory(error: BaseException) -> bool:
    """Whether the pack was too large for its worker's memory or GPU."""
    import torch

    # torch has no type of its own for the CPU's allocator
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def start_training(pack: Pack, data: str | None, threads: int) -> Any:
    """The pack's training, at its first epoch, on the GPU where this worker was given one."""
    import torch

    from dfa_tune.learning.training import Member, PackTraining

    first = pack.trials[0]
    torch.set_num_threads(threads)
    gpu = first.training.device != "cpu" and torch.cuda.is_available()
    return PackTraining(
        _problem(first.problem, data, first.split),
        first.network,
        first.training,
        first.method.rule,
        first.method.optimizer,
        [Member(trial.learning_rate, trial.seed, trial.method.feedback) for trial in pack.trials],
        device="cuda" if gpu else "cpu",
    )


@lru_cache(maxsize=2)
def _problem(settings: Any, data: str | None, split: str) -> Any:
    from dfa_tune.registry import PROBLEMS

    return PROBLEMS[settings.kind](settings, data, split)


def device_name(device: str) -> str:
    """The GPU's name; "cpu" on a CPU, whose name the provenance finds itself."""
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else device


def cuda_version(device: str) -> str | None:
    """The CUDA version that torch was built with, where a GPU was used."""
    import torch

    return torch.version.cuda if device == "cuda" else None

"""Training a pack from its first batch, or from its checkpoint, to its published rows. Needs no Ray."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pkgutil import resolve_name
from typing import Any

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.checkpoints import Checkpoint, Checkpoints, check_rows
from dfa_tune.orchestration.worker.pack_config import PackConfig
from dfa_tune.planning.trial import Trial
from dfa_tune.problems.datasets import check_digest
from dfa_tune.results import checksum
from dfa_tune.results.provenance import learning_code, metadata
from dfa_tune.results.store import Store, rung_file

LARGEST_SOURCES = 100_000  # characters of plugins in the metadata of a results file


@dataclass(frozen=True, kw_only=True)
class CheckpointTiming:
    """When checkpoints are written: often enough that little is repeated, seldom enough to cost little.

    shortest, longest: seconds between two checkpoints
    share: of the time that may go into writing them, unless that makes the interval more than `longest`
    """

    shortest: float = 5.0
    longest: float = 30.0
    share: float = 0.02

    def interval(self, write_seconds: float) -> float:
        """Seconds until the next checkpoint, after one that took `write_seconds` to write."""
        return min(self.longest, max(self.shortest, write_seconds / self.share))


class UnwritableError(Exception):
    """Rows or a checkpoint cannot be written: no other pack of this run could publish either."""


class PackRun:
    """A pack in training. It resumes from the pack's checkpoint if there is one."""

    def __init__(self, config: PackConfig, timing: CheckpointTiming | None = None) -> None:
        self._config, self._timing = config, timing or CheckpointTiming()
        self.pack = config.pack
        self._store = Store(config.run.results, config.run.name)
        self._checkpoints = Checkpoints(self._store)
        self._started = time.time()
        learning_code()  # read now, before somebody changes the files
        self._rows: list[dict[str, Any]] = []
        self.training = self._start()
        self._resume()
        self.saved = self.progress  # as it is in the checkpoint
        self._saved_at, self._interval = time.monotonic(), self._timing.shortest
        self._first, self._spent = self.training.epochs_ended + 1, 0.0  # the first epoch here, seconds since
        self.seconds = 0.0  # for the whole pack, estimated from the epochs that ended here; 0: none has

    @property
    def finished(self) -> bool:
        """Whether the epochs that are wanted for now are done, all or those up to a rung."""
        return bool(self.training.epochs_ended >= self._last)

    @property
    def _last(self) -> int:
        epochs: int = self.training.training.epochs
        return epochs if self.pack.until is None else self.pack.until

    @property
    def progress(self) -> float:
        """The share of the epochs that have begun, from 0 to 1."""
        return float(self.training.epoch / self.training.training.epochs)

    def advance(self, seconds: float) -> None:
        """Train for about `seconds`, and write a checkpoint if one is due; may raise UnwritableError."""
        begin, epoch = time.monotonic(), self.training.epoch
        self._rows += self.training.advance(seconds, self.pack.until)
        self._spent += time.monotonic() - begin
        ended = self.training.epoch - self._first + self.finished
        if ended and (self.finished or self.training.epoch > epoch):
            self.seconds = self._spent / ended * self.training.training.epochs
        if not self.finished and time.monotonic() - self._saved_at >= self._interval:
            self._save()

    def publish(self) -> None:
        """Write the finished pack's rows, and its weights if the space asks for them, into the store.

        At a rung its rows so far are written elsewhere, after a checkpoint from which those members go on
        that are not stopped there.
        """
        until = self.pack.until
        device = str(self.training.device.type)
        columns = [{**trial.columns(), "device": device} for trial in self.pack.trials]
        diverged = self.training.diverged
        rows = [
            {
                **columns[member],
                **{k: v for k, v in row.items() if k != "member"},
                "diverged": diverged[member],
                "stopped": until is not None,
            }
            for row in self._rows
            for member in (row["member"],)
        ]
        provenance = metadata(self._config.run.space, self._started, time.time(), **torch_provenance(device))
        provenance |= plugins_metadata(self.pack.trials)
        try:
            if until is not None:
                self._save()
                stem = rung_file(self.pack.id, until).removesuffix(".parquet")
                self._store.publish(stem, rows, provenance, folder="rungs")
            else:
                if self._config.run.save_weights:
                    self._save_weights()
                self._store.publish(self.pack.id, rows, provenance)
                self._checkpoints.remove(self.pack.id)
            if self.pack.left is not None:
                self._checkpoints.remove(self.pack.left)
        except UserError as error:
            raise UnwritableError(str(error)) from error

    def discard_checkpoint(self) -> None:
        """Remove the checkpoint, so that the pack is trained afresh the next time."""
        with suppress(UserError):  # then nothing can be written, which the next pack reports
            self._checkpoints.remove(self.pack.id)

    def _start(self) -> Any:
        run = self._config.run
        return resolve_name(run.trainer)(self.pack, run.data, run.threads)

    def _resume(self) -> None:
        found, name = self._checkpoints.load(self.pack, self._environment()), self.pack.id
        if found is None and self.pack.left is not None:
            found, name = self._checkpoints.load_left(self.pack, self._environment()), self.pack.left
        if found is None:
            return
        try:
            self.training.restore(found.state)
            if self.training.finished:
                raise ValueError("it is at the end of the training, where no checkpoint is written")
            check_rows(found.rows, self.pack, self.training.epochs_ended)
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            self._checkpoints.set_aside(name, str(error))
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
        self._interval = self._timing.interval(self._saved_at - begin)

    def _environment(self) -> dict[str, str]:
        """What must be equal where the pack is resumed. torch's products differ between types of CPU."""
        import torch

        device = str(self.training.device.type)
        environment = {"torch": str(torch.__version__), "device": device}
        return environment | ({"cpu": torch.backends.cpu.get_cpu_capability()} if device == "cpu" else {})

    def _save_weights(self) -> None:
        from safetensors.torch import save

        for member, trial in enumerate(self.pack.trials):
            content = save(self.training.weights(member), {checksum.KEY: checksum.UNSEALED})
            self._store.save_weights(trial.id, content)


def out_of_memory(error: BaseException) -> bool:
    """Whether the error says that the memory of the worker, or of its GPU, was too small."""
    import torch

    # torch has no type of its own for the CPU's allocator
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def gpu_is_unusable(error: BaseException) -> bool:
    """Whether the error came from a GPU that this process cannot use any more, though another one may."""
    import torch

    lost = getattr(torch, "AcceleratorError", ())  # torch before 2.8 raises a RuntimeError
    return isinstance(error, lost) or (isinstance(error, RuntimeError) and "CUDA error" in str(error))


def start_training(pack: Pack, data: str | None, threads: int) -> Any:
    """The pack's training before its first epoch, on a GPU if this worker was given one."""
    import torch

    from dfa_tune.learning.first_layer.sparse import pays
    from dfa_tune.learning.training import Member, PackTraining

    first = pack.trials[0]
    torch.set_num_threads(threads)
    gpu = first.training.device != "cpu" and torch.cuda.is_available()
    problem = _problem(first.problem, data, first.split, first.data_digest)
    return PackTraining(
        problem,
        first.network,
        first.training,
        first.method.rule,
        first.method.optimizer,
        [Member(trial.learning_rate, trial.seed, trial.method.feedback) for trial in pack.trials],
        device="cuda" if gpu else "cpu",
        options=first.options,
        sparse=pays(getattr(problem, "density", 1.0)),
    )


@lru_cache(maxsize=2)
def _problem(settings: Any, data: str | None, split: str, digest: str | None) -> Any:
    """The problem, once for all packs that have it; UserError if its images are not those of `digest`."""
    from dfa_tune.registry import PROBLEMS

    if settings.dataset is not None:
        check_digest(settings.dataset, data, digest)
    return PROBLEMS[settings.kind](settings, data, split)


def plugins_metadata(trials: Iterable[Trial]) -> dict[str, str]:
    """What a results file's metadata say of the plugins that computed the trials: digests and sources.

    {"plugins": JSON}, by kind and name: {"rule mine": {"digest": ..., "sources": {module: text}}}; empty
    where there are none. The sources are for people: nothing imports them. Those of a large package are left
    out.
    """
    found = {f"{kind} {one.name}": one for trial in trials for kind, one in trial.plugins.items()}
    if not found:
        return {}
    content = {
        name: {"digest": one.digest, "sources": {module: file.text for module, file in one.files.items()}}
        for name, one in sorted(found.items())
    }
    if len(text := json.dumps(content)) > LARGEST_SOURCES:
        text = json.dumps({name: {"digest": one["digest"]} for name, one in content.items()})
    return {"plugins": text}


def torch_provenance(device: str) -> dict[str, str]:
    """What of a results file's provenance only torch knows, for a training on `device`, "cpu" or "cuda".

    The arguments of `results.provenance.metadata`, which adds the name of the processor to "cpu".
    """
    import torch

    gpu = device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if gpu else device,
        "cuda": str(torch.version.cuda) if gpu else "none",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }

"""The worker's side: one pack, trained epoch by epoch, its rows published when it is done."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from pkgutil import resolve_name
from typing import Any

from ray import tune

from dfa_tune.orchestration.packs import Pack
from dfa_tune.results.leases import EXPIRES, Leases
from dfa_tune.results.provenance import metadata
from dfa_tune.results.store import Store

STEP_SECONDS = 2.0  # a step is as many epochs as fit: the driver hears of each, and should not be busy


class PackTrainable(tune.Trainable):
    """A Ray Tune trial that is a pack. Its config:

    `pack` (Pack.to_json()), `results` and `name` (the Store's), `data` (folder or None), `threads`,
    `owner` (of leases), `space` (its text, for the files' metadata), `save_weights`, `trainer` ("module:function"
    with the arguments and the value of `start_training`).
    """

    def setup(self, config: dict[str, Any]) -> None:
        self._heartbeat: _Heartbeat | None = None
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next pack in the same process, which has imported torch already."""
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._config, self._started = config, time.time()
        self._pack = Pack.from_json(config["pack"])
        self._store = Store(config["results"], config["name"])
        self._stop_heartbeat()
        self._heartbeat = _Heartbeat(Leases(self._store, config["owner"]), self._pack.id)
        self._rows: list[dict[str, Any]] = []
        start = resolve_name(config["trainer"])
        self._training = start(self._pack, config["data"], config["threads"])

    def step(self) -> dict[str, Any]:
        """Some seconds of epochs; the last step publishes. Few scalars go to the driver."""
        training, begin = self._training, time.perf_counter()
        while not training.finished and time.perf_counter() - begin < STEP_SECONDS:
            self._rows += training.run_epoch()
        if training.finished:
            self._publish()
        share = training.epoch / training.training.epochs
        return {"done": training.finished, "progress": share, "pack_trials": len(self._pack.trials)}

    def _publish(self) -> None:
        device = str(self._training.device.type)
        columns = [{**trial.columns(), "device": device} for trial in self._pack.trials]
        diverged = self._training.diverged
        rows = [
            {**columns[member := row.pop("member")], **row, "diverged": diverged[member]}
            for row in self._rows
        ]
        if self._config["save_weights"]:
            from safetensors.torch import save

            for member, trial in enumerate(self._pack.trials):
                self._store.save_weights(trial.id, save(self._training.weights(member)))
        provenance = metadata(
            self._config["space"], self._started, time.time(), device_name(device), cuda=cuda_version(device)
        )
        self._store.publish(self._pack.id, rows, provenance)
        self._stop_heartbeat(release=True)

    def cleanup(self) -> None:
        self._stop_heartbeat()

    def _stop_heartbeat(self, release: bool = False) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop(release)
            self._heartbeat = None


class _Heartbeat:
    """Keeps a pack's lease while it is being trained, however long an epoch takes."""

    def __init__(self, leases: Leases, pack_id: str) -> None:
        self._leases, self._pack_id = leases, pack_id
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._stopped.wait(EXPIRES / 4):
            self._leases.refresh(self._pack_id)

    def stop(self, release: bool) -> None:
        self._stopped.set()
        self._thread.join()
        if release:
            self._leases.release(self._pack_id)


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

"""The worker's side of Ray Tune: trains one pack, step by step, and publishes its rows when it is done."""

from __future__ import annotations

import gc
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune

from dfa_tune.orchestration.worker.errors import REFUSED, WorkerError
from dfa_tune.orchestration.worker.heartbeat import Heartbeat
from dfa_tune.orchestration.worker.pack_config import PackConfig
from dfa_tune.orchestration.worker.pack_run import (
    PackRun,
    UnwritableError,
    gpu_is_unusable,
    out_of_memory,
)
from dfa_tune.orchestration.worker.versions import differences, versions
from dfa_tune.registry import use_only
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store

# How a pack ended if not by being published: `outcome` in its last result
TOO_LARGE = "too large"  # for the worker's memory
TAKEN = "taken"  # by another run
UNWRITABLE = "unwritable"  # results cannot be written, for example because the disk is full
FAILED = "failed"  # Python raised an exception, as it would again


class PackTrainable(tune.Trainable):
    """A Ray Tune trial that trains a pack; its config is `PackConfig.to_json()`."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """What the pack reserves; Tune reuses a worker only for packs that reserve the same."""
        elsewhere = {"ray.io/node-id": f"!in({','.join(config['avoid'])})"} if config["avoid"] else {}
        return tune.PlacementGroupFactory([config["request"]], bundle_label_selector=[elsewhere])

    def setup(
        self, config: dict[str, Any], plugins: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
    ) -> None:
        """Check that this machine may train, and take the first pack.

        plugins: those that the sweep uses, as `registry.use_only` takes them
        """
        self._heartbeat: Heartbeat | None = None
        if config["versions"] and (why := differences(config["versions"], versions())):
            raise RuntimeError(f"{platform.node()} {REFUSED}: {'; '.join(why)}")
        use_only(plugins or {})
        self._take(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next pack in the same process, which has imported torch already."""
        self._take(new_config)
        return True

    def _take(self, config: dict[str, Any]) -> None:
        """Nothing can fail here: it is the first step that reports an error to the driver."""
        self._stop_heartbeat(release=False)
        self._content = config
        self._trials = len(config["pack"]["members"])
        self._work: PackRun | None = None

    def step(self) -> dict[str, Any]:
        """Some seconds of training; the last step publishes. Only a few numbers go to the driver.

        An exception that Python raised ends the pack and not the worker, unless the worker's GPU cannot be
        used any more: then the worker ends, and the pack is trained again in another one.
        """
        if self._heartbeat is not None and self._heartbeat.lost:
            return self._ended(TAKEN)
        try:
            return self._train()
        except UnwritableError as error:
            outcome, why = UNWRITABLE, WorkerError(str(error))
        except Exception as error:
            if out_of_memory(error):
                first = str(error).splitlines()[0] if str(error) else type(error).__name__
                outcome, why = TOO_LARGE, WorkerError(f"out of memory: {first}")
            elif gpu_is_unusable(error):
                raise
            else:
                outcome, why = FAILED, WorkerError.of(error)
        # Outside of the handler, whose traceback holds tensors
        return self._ended(outcome, why)

    def _train(self) -> dict[str, Any]:
        if self._work is None:
            self._begin()
        config, work = self._config, self._work
        assert work is not None
        work.advance(config.step_seconds)
        if work.finished:
            work.publish()
            self._stop_heartbeat(release=True)
        return self._result(work.finished, work.progress, work.saved) | {"pack_seconds": work.seconds}

    def _begin(self) -> None:
        self._config = PackConfig.from_json(self._content)
        run = self._config.run
        self._heartbeat = Heartbeat(Leases(Store(run.results, run.name), run.owner), self._config.pack)
        self._work = PackRun(self._config)

    def _ended(self, outcome: str, why: WorkerError | None = None) -> dict[str, Any]:
        if outcome == FAILED and self._work is not None:
            self._work.discard_checkpoint()  # it may be what the training failed on
        self._work = None
        gc.collect()
        if "torch" in sys.modules:
            sys.modules["torch"].cuda.empty_cache()
        self._stop_heartbeat(release=True)
        said = {"cause": why.cause, "traceback": why.traceback} if why else {}
        return self._result(True, 0.0, 0.0) | {"outcome": outcome} | said

    def _result(self, done: bool, progress: float, saved: float) -> dict[str, Any]:
        return {
            "done": done,
            "progress": progress,
            "saved": saved,
            "pack_trials": self._trials,
            "pack_seconds": 0.0,
        }

    def cleanup(self) -> None:
        """Leave the lease to the driver, which gives it back or hands the pack out again."""
        self._stop_heartbeat(release=False)

    def _stop_heartbeat(self, *, release: bool) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop(release=release)
            self._heartbeat = None

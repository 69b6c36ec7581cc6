"""The worker's side of Ray Tune: trains one pack, step by step, and publishes its rows when it is done."""

from __future__ import annotations

import gc
import platform
import sys
from typing import Any

from ray import tune

from dfa_tune.orchestration.worker.heartbeat import Heartbeat
from dfa_tune.orchestration.worker.pack_config import PackConfig
from dfa_tune.orchestration.worker.pack_run import PackRun, UnwritableError, out_of_memory
from dfa_tune.orchestration.worker.versions import differences, versions
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store

# How a pack ended if not by being published: `outcome` in its last result
TOO_LARGE = "too large"  # for the worker's memory
TAKEN = "taken"  # by another run
UNWRITABLE = "unwritable"  # results cannot be written, for example because the disk is full

REFUSED = "may not train"  # in the error of a worker on a machine with other versions


class PackTrainable(tune.Trainable):
    """A Ray Tune trial that trains a pack; its config is `PackConfig.to_json()`."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """What the pack reserves; Tune reuses a worker only for packs that reserve the same."""
        elsewhere = {"ray.io/node-id": f"!in({','.join(config['avoid'])})"} if config["avoid"] else {}
        return tune.PlacementGroupFactory([config["request"]], bundle_label_selector=[elsewhere])

    def setup(self, config: dict[str, Any]) -> None:
        """Check that this machine may train, and take the first pack."""
        self._heartbeat: Heartbeat | None = None
        if config["versions"] and (why := differences(config["versions"], versions())):
            raise RuntimeError(f"{platform.node()} {REFUSED}: {'; '.join(why)}")
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next pack in the same process, which has imported torch already."""
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._stop_heartbeat(release=False)
        self._config = PackConfig.from_json(config)
        self._work: PackRun | None = None  # built in the first step, which can report an error
        run = self._config.run
        self._heartbeat = Heartbeat(Leases(Store(run.results, run.name), run.owner), self._config.pack)

    def step(self) -> dict[str, Any]:
        """Some seconds of training; the last step publishes. Only a few numbers go to the driver."""
        assert self._heartbeat is not None
        if self._heartbeat.lost:
            return self._ended(TAKEN)
        try:
            return self._train()
        except UnwritableError as error:
            return self._ended(UNWRITABLE, str(error))
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            cause = f"out of memory: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        return self._ended(TOO_LARGE, cause)  # outside of the handler, whose traceback holds tensors

    def _train(self) -> dict[str, Any]:
        if self._work is None:
            self._work = PackRun(self._config)
        work = self._work
        work.advance(self._config.step_seconds)
        if work.finished:
            work.publish()
            self._stop_heartbeat(release=True)
        return self._result(work.finished, work.progress, work.saved) | {"pack_seconds": work.seconds}

    def _ended(self, outcome: str, cause: str = "") -> dict[str, Any]:
        self._work = None
        gc.collect()
        if "torch" in sys.modules:
            sys.modules["torch"].cuda.empty_cache()
        self._stop_heartbeat(release=True)
        return self._result(True, 0.0, 0.0) | {"outcome": outcome, "cause": cause}

    def _result(self, done: bool, progress: float, saved: float) -> dict[str, Any]:
        return {
            "done": done,
            "progress": progress,
            "saved": saved,
            "pack_trials": len(self._config.pack.trials),
            "pack_seconds": 0.0,
        }

    def cleanup(self) -> None:
        """Leave the lease to the driver, which gives it back or hands the pack out again."""
        self._stop_heartbeat(release=False)

    def _stop_heartbeat(self, *, release: bool) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop(release=release)
            self._heartbeat = None

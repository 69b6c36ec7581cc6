"""The worker's side: one pack, trained step by step, its rows published when it is done."""

from __future__ import annotations

import gc
import platform
import sys
import threading
from contextlib import suppress
from typing import Any

from ray import tune

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.pack_run import PackRun, UnwritableError, out_of_memory
from dfa_tune.orchestration.worker.versions import differences, versions
from dfa_tune.results.leases import EXPIRES, Leases
from dfa_tune.results.store import Store

# How a pack ended, where it did not end by being published (`outcome` of the last result)
TOO_LARGE = "too large"  # for the worker's memory
TAKEN = "taken"  # by another run
UNWRITABLE = "unwritable"  # results cannot be written: a full disk, say

REFUSED = "may not train"  # what a worker says on a machine with other versions, before it ends


class PackTrainable(tune.Trainable):
    """A Ray Tune trial that is a pack. Its config:

    `pack` (Pack.to_json()), `request` and `avoid` (of its `Slots`), `step_seconds` (of training between two
    reports), `results` and `name` (the Store's), `data` (folder or None), `threads`, `owner` (of leases),
    `space` (its text, for the files' metadata), `save_weights`, `trainer` ("module:function" with the
    arguments and the value of `start_training`), `versions` (that a worker must have; None: it is on the
    driver's machine).
    """

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """What the pack reserves; Tune gives a worker the packs that reserve the same."""
        elsewhere = {"ray.io/node-id": f"!in({','.join(config['avoid'])})"} if config["avoid"] else {}
        return tune.PlacementGroupFactory([config["request"]], bundle_label_selector=[elsewhere])

    def setup(self, config: dict[str, Any]) -> None:
        self._heartbeat: _Heartbeat | None = None
        if config["versions"] and (why := differences(config["versions"], versions())):
            raise RuntimeError(f"{platform.node()} {REFUSED}: {'; '.join(why)}")
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next pack in the same process, which has imported torch already."""
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._stop_heartbeat()
        self._config, self._pack = config, Pack.from_json(config["pack"])
        self._work: PackRun | None = None  # built in the first step, which can tell how that failed
        leases = Leases(Store(config["results"], config["name"]), config["owner"])
        self._heartbeat = _Heartbeat(leases, self._pack)

    def step(self) -> dict[str, Any]:
        """Some seconds of training; the last step publishes. Few scalars go to the driver."""
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
        work.advance(self._config["step_seconds"])
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
        trials = len(self._pack.trials)
        return {
            "done": done,
            "progress": progress,
            "saved": saved,
            "pack_trials": trials,
            "pack_seconds": 0.0,
        }

    def cleanup(self) -> None:
        self._stop_heartbeat()

    def _stop_heartbeat(self, release: bool = False) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop(release)
            self._heartbeat = None


class _Heartbeat:
    """Keeps a pack's lease while it is being trained, however long an epoch takes.

    `lost`: another run has taken the pack, as a clock that was changed can bring about.
    """

    def __init__(self, leases: Leases, pack: Pack) -> None:
        self._leases, self._pack_id = leases, pack.id
        self._trial_ids = [trial.id for trial in pack.trials]
        self.lost = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._stopped.wait(EXPIRES / 4):
            # What cannot be written now may be at the next beat; else the training says so when it writes
            with suppress(UserError):
                # A lease that is not ours any more is gone, as when someone tidied up, or another run's
                self.lost = not (
                    self._leases.refresh(self._pack_id)
                    or self._leases.acquire(self._pack_id, self._trial_ids)
                )

    def stop(self, release: bool) -> None:
        self._stopped.set()
        self._thread.join()
        if release:
            with suppress(UserError):  # then it expires
                self._leases.release(self._pack_id)

"""The searcher: learning rates first, each method's repetitions as soon as its rate is chosen."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ray.tune.search import Searcher

from dfa_tune.errors import UserError
from dfa_tune.orchestration.driver.dispatcher import Dispatcher
from dfa_tune.orchestration.driver.failed_pack import FailedPack
from dfa_tune.orchestration.driver.pack_leases import PackLeases
from dfa_tune.orchestration.driver.retry_policy import RETRIES, RetryPolicy
from dfa_tune.orchestration.driver.worker_watch import WorkerWatch
from dfa_tune.orchestration.packs.pack import Pack, pack_kind
from dfa_tune.orchestration.packs.pack_size import PackSize
from dfa_tune.orchestration.packs.placement import Slots, step_seconds
from dfa_tune.orchestration.worker.checkpoints import Checkpoints
from dfa_tune.orchestration.worker.errors import WORKER_DIED, WorkerError
from dfa_tune.orchestration.worker.pack_config import PackConfig, RunSettings
from dfa_tune.orchestration.worker.trainable import FAILED, TAKEN, TOO_LARGE, UNWRITABLE
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.trial import Trial
from dfa_tune.results.leases import Leases

logger = logging.getLogger(__name__)


@dataclass
class Running:
    """A pack that was handed to Ray Tune.

    begun: a worker has it; until then it may still wait for one
    recalled: a core is to give it up, since a GPU is free
    """

    pack: Pack
    gpu: bool
    begun: bool = False
    recalled: bool = False


class TuneThenRepeat(Searcher):
    """Hands packs to Ray Tune as they become due; one `Tuner.fit()` runs both stages without a barrier.

    It asks the `SweepState` which trials are due, the `Dispatcher` which pack a free slot gets, `PackLeases`
    whether another run is training it, the `WorkerWatch` which workers have stopped without ending, and the
    `RetryPolicy` what becomes of a pack whose worker died. A trial that cannot be trained fails, and the
    rest goes on.

    run: the settings that all packs share
    size: trials in a pack, or "auto"
    slots: where packs can be trained, GPUs first
    clock: seconds that never go back
    """

    def __init__(
        self,
        state: SweepState,
        leases: Leases,
        run: RunSettings,
        *,
        size: PackSize,
        slots: Sequence[Slots],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.state = state
        self.running: dict[str, Running] = {}  # by the id of the Tune trial
        self.failures: list[FailedPack] = []
        self._run = run
        self._leases = PackLeases(leases, clock)
        self._watch = WorkerWatch(leases, clock)
        self._dispatcher = Dispatcher(size, slots)
        self._retries = RetryPolicy()
        self._checkpoints = Checkpoints(state.store)
        self._checkpoints.clear(state.done)
        self._seen: set[tuple[str, int | None]] = (
            set()
        )  # trials handed to the dispatcher, and until which epoch
        self._stale = True  # whether the state may know of due trials that have not been seen
        self._errors: dict[str, WorkerError] = {}  # of workers that died, by the id of the Tune trial
        self._starts: int | None = None  # workers that could not start since one has reported; None: none has
        self._fatal: UserError | None = None  # ends the run

    def place_on(self, slots: Sequence[Slots]) -> None:
        """Train on these slots from now on. May be called from another thread, as machines come and go."""
        self._dispatcher.slots = tuple(slots)  # one assignment: the other thread sees all of it or none

    # -- Ray Tune asks for packs ----------------------------------------------------------------

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next pack; None while others must end first; FINISHED when there will be none.

        Raises UserError, which ends the run, if results cannot be written or read any more.
        """
        if self._fatal is not None:
            raise self._fatal
        self._fill()
        all_slots = self._dispatcher.slots
        for slots in all_slots:
            while self._in_flight(slots.gpu) < slots.wanted and (pack := self._dispatcher.next(slots)):
                if self._leases.take(pack) and not self._overtaken(pack):
                    self.running[trial_id] = Running(pack, slots.gpu)
                    return self._config(pack, slots, sum(each.count for each in all_slots))
        self._recall()
        if self.running or self._leases.elsewhere or self._dispatcher or self._stale:
            return None
        finished: str = Searcher.FINISHED
        return finished

    def _config(self, pack: Pack, slots: Slots, packs_at_once: int) -> dict[str, Any]:
        return PackConfig(
            run=self._run,
            pack=pack,
            request=slots.request,
            avoid=slots.avoid,
            step_seconds=step_seconds(packs_at_once),
        ).to_json()

    def _in_flight(self, gpu: bool) -> int:
        return sum(running.gpu == gpu for running in self.running.values())

    def _fill(self) -> None:
        """Give the dispatcher trials that have become due, or that another run did not train after all."""
        if again := self._leases.look_again():
            self.state.refresh()
            self._stale = True
            self._add([trial for trial in again if not self.state.trained(trial)])
        if self._stale and not self._dispatcher:
            self._stale = False
            self.state.take_over()  # what a learning rate that was just chosen has made due
            new = [trial for trial in self.state.ready() if (trial.id, trial.until) not in self._seen]
            self._seen.update((trial.id, trial.until) for trial in new)
            self._add(new)

    def _add(self, trials: list[Trial]) -> None:
        """Trials to the dispatcher; those that have a checkpoint together form the same pack again.

        So do those whose pack has lost other members, which were stopped.
        """
        left = {trial.id: trial for trial in trials}
        kinds = [slots.gpu for slots in self._dispatcher.slots]
        resumed: dict[bool, list[Pack]] = {True: [], False: []}
        begun = self._checkpoints.packs() if left else {}
        # The smallest first: the pack that has lost members may have a later checkpoint than the one before
        for pack_id, known in sorted(begun.items(), key=lambda item: len(item[1].trials)):
            gpu = known.device == "cuda" if len(kinds) > 1 else kinds[0]
            others = [trial for trial in known.trials if trial not in left]
            if all(trial in self.state.stopped for trial in others) and (gpu or known.device != "cuda"):
                there = tuple(left[trial] for trial in known.trials if trial in left)
                pack = Pack(there, pack_id if others else None)
                # Anybody may have written the file: only trials that can share a pack form one
                named = bool(there) and (others or pack.id == pack_id)
                if named and len({pack_kind(trial) for trial in there}) == 1:
                    resumed[gpu].append(pack)
                    left = {name: trial for name, trial in left.items() if name not in known.trials}
        for gpu, packs in resumed.items():
            self._dispatcher.add_packs(packs, gpu)
        self._dispatcher.add(left.values())

    def _overtaken(self, pack: Pack) -> bool:
        """Whether another run has ended trials of this pack since it was cut; the others then wait anew.

        Ask with the pack's lease in hand, so that no other run is training it.
        """
        self.state.refresh()
        left = [trial for trial in pack.trials if not self.state.trained(trial)]
        if len(left) == len(pack.trials):
            return False
        self._leases.release(pack)
        self._add(left)
        self._stale = True  # the trials that ended may decide a learning rate
        return True

    def _recall(self) -> None:
        """Mark the packs that cores are to give up for a GPU that has nothing to do."""
        gpus = sum(slots.count for slots in self._dispatcher.slots if slots.gpu)
        if self._in_flight(True) < gpus:
            on_cores = {name: one.pack for name, one in self.running.items() if not one.gpu}
            for name in self._dispatcher.recalled(on_cores):
                self.running[name].recalled = True

    def gives_up(self, trial_id: str) -> bool:
        """Whether the worker of this Tune trial is to leave its pack to a GPU."""
        return trial_id in self.running and self.running[trial_id].recalled

    # -- Ray Tune tells what became of them -----------------------------------------------------

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """A worker has trained for some seconds."""
        self._starts = 0
        self._watch.reported(trial_id)
        if (running := self.running.get(trial_id)) is not None:
            running.begun = True
            self._note_pace(trial_id, running, result)
            self._retries.checkpointed(running.pack, result["saved"])
        with self._ending_the_run():
            self._leases.refresh(one.pack for one in self.running.values() if not one.begun)

    def stopped_workers(self, training: Callable[[], Collection[str]]) -> list[str]:
        """Which Tune trials have a worker that must be replaced, since it has stopped without ending.

        To be asked often. Of those that `training` names a worker says that it has them.
        """
        if not self._watch.due:
            return []
        packs = {name: self.running[name].pack for name in training() if name in self.running}
        for name in packs:
            self.running[name].begun = True  # from here on the worker refreshes the lease
        stopped: dict[str, str] = {}
        with self._ending_the_run():
            stopped = self._watch.look(packs)
        self._errors |= {name: WorkerError(cause) for name, cause in stopped.items()}
        return list(stopped)

    def worker_failed(self, trial_id: str, error: WorkerError) -> None:
        """The worker of this Tune trial died or could not start; `on_trial_complete` follows."""
        self._errors.setdefault(trial_id, error)  # else it was replaced, and that is why

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Read what the worker has published, which may decide a learning rate; or see what to do instead."""
        why = self._errors.pop(trial_id, WorkerError(WORKER_DIED))
        running = self.running.pop(trial_id, None)
        if running is None:
            return
        with self._ending_the_run():
            if error or result is None:
                self._worker_died(running, why)
            else:
                self._worker_ended(trial_id, running, result)
        self._dispatcher.ended(trial_id)
        self._watch.ended(trial_id)

    def _worker_ended(self, trial_id: str, running: Running, result: dict[str, Any]) -> None:
        self._starts, outcome = 0, result.get("outcome")
        if outcome == TAKEN:
            self._leases.lost(running.pack)
        elif outcome == TOO_LARGE:
            if running.gpu:
                self._dispatcher.gpu_pack_too_large(running.pack)
            halves = self._retries.too_large(running.pack)
            self._again(running, halves, WorkerError(result["cause"]))
        elif outcome == FAILED:  # Python raised an exception, and would raise it again
            self._again(running, [], WorkerError(result["cause"], result["traceback"]))
        elif outcome == UNWRITABLE:
            raise UserError(result["cause"])
        else:
            self._note_pace(trial_id, running, result)
            if running.gpu:
                self._dispatcher.gpu_pack_ended(running.pack, result["pack_seconds"])
            self._published(running)

    @contextmanager
    def _ending_the_run(self) -> Iterator[None]:
        """A UserError is raised by the next `suggest`: Tune would swallow it, or wrap it in a traceback."""
        try:
            yield
        except UserError as error:
            self._fatal = error

    def _note_pace(self, trial_id: str, running: Running, result: dict[str, Any]) -> None:
        seconds, progress = result["pack_seconds"], result["progress"]
        self._dispatcher.reported(trial_id, running.pack, running.gpu, seconds, progress)

    def _published(self, running: Running) -> None:
        """Unless a core has given the pack up instead."""
        self._stale = True
        try:
            self.state.absorb_file(running.pack.id, running.pack.until)
            self.state.publish_stopped()
        except FileNotFoundError:
            if running.recalled:
                self._checkpoints.remove(running.pack.id)  # a core's: a GPU begins afresh
                self._dispatcher.add_packs([running.pack], gpu=True)  # this run keeps its lease
            else:  # already merged into another file
                self.state.refresh()

    def _worker_died(self, running: Running, why: WorkerError) -> None:
        logger.warning("the worker of pack %s ended: %s", running.pack.id, why.cause)
        if why.at_start:
            # On a cluster, a machine that may not train gets no more packs; here there is no other machine
            if not (why.refused and self._run.cluster):
                self._could_not_start(why)
            again = [running.pack]  # no fault of the pack
        else:
            again = self._retries.worker_died(running.pack)
        self._again(running, again, why)

    def _could_not_start(self, why: WorkerError) -> None:
        """Raise UserError unless workers start elsewhere: a machine that has just joined may be at fault."""
        self._starts = None if self._starts is None else self._starts + 1
        if self._starts is None or self._starts > RETRIES:
            logger.error("a worker could not start:\n%s", why.traceback)
            raise UserError(f"workers cannot start: {why.cause}")

    def _again(self, running: Running, packs: list[Pack], why: WorkerError) -> None:
        """Train `packs` in place of the one that did not end; if there are none, its trials have failed."""
        if packs != [running.pack]:  # else this run keeps its lease
            self._leases.release(running.pack)
        if packs:
            self._dispatcher.add_packs(packs, running.gpu)
        else:
            self.failures.append(FailedPack(running.pack, why.cause, why.traceback))

    # -- Ray Tune's snapshots, which are never read: the Parquet files are the state --------------

    def __getstate__(self) -> dict[str, Any]:
        """Empty, so that Tune pickles nothing of ours."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""

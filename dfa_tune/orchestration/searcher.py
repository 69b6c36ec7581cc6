"""The searcher: learning rates first, each method's repetitions as soon as its rate is chosen."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from ray.tune import Callback
from ray.tune.search import Searcher

from dfa_tune.errors import UserError
from dfa_tune.orchestration.checkpoints import Checkpoints
from dfa_tune.orchestration.ledger import Ledger
from dfa_tune.orchestration.packs import Pack, PackSize, make_packs, together
from dfa_tune.orchestration.trainable import TAKEN, TOO_LARGE, UNWRITABLE
from dfa_tune.results.leases import EXPIRES, Leases
from dfa_tune.trial import Trial

POLL_SECONDS = 2.0  # how often to look for what another run has finished, when all the rest is done
RETRIES = 2  # of a pack whose worker died, before it is split; of a trial alone, before it fails


class TuneThenRepeat(Searcher):
    """Hands packs to Ray Tune as they become due; one `Tuner.fit()` runs both stages without a barrier.

    `constant`: the part of every Tune trial's config that is not the pack.

    A pack whose worker dies is handed out again, and goes on from its checkpoint. If that happens too
    often before its next checkpoint, or if the pack is too large for a worker's memory, it is split; a
    trial that cannot be trained alone fails, and the rest goes on.
    """

    def __init__(
        self,
        ledger: Ledger,
        leases: Leases,
        constant: dict[str, Any],
        *,
        size: PackSize,
        slots: int,
        gpu: bool,
        memory: float | None = None,
    ) -> None:
        super().__init__()
        self.ledger, self._leases, self._constant = ledger, leases, constant
        self.slots = slots  # as machines come and go, whoever watches them says so here
        self._make = lambda trials: make_packs(trials, size, self.slots, gpu, memory)
        self._checkpoints = Checkpoints(ledger.store)
        self._checkpoints.clear(ledger.criteria)
        self._seen: set[str] = set()
        self._queue: deque[Pack] = deque()
        self._elsewhere: list[Pack] = []  # another run is at them
        self._polled = self._refreshed = 0.0
        self._saved: dict[str, float] = {}  # of each pack, the share of epochs its checkpoint had last
        self._deaths: dict[str, int] = {}  # of each pack, its workers that died since then
        self._begun: set[str] = set()  # Tune trials whose worker has reported
        self.running: dict[str, Pack] = {}
        self.failed: dict[str, Pack] = {}  # by the name of the Tune trial that was its last
        self.causes: dict[str, str] = {}  # of packs that failed otherwise than by their worker's death

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next pack; None while others must end first; FINISHED when there will be none."""
        self._fill()
        while self._queue:
            pack = self._queue.popleft()
            if self._leases.acquire(pack.id, [trial.id for trial in pack.trials]):
                self.running[trial_id] = pack
                return {**self._constant, "pack": pack.to_json()}
            self._elsewhere.append(pack)
        if self.running or self._elsewhere:
            return None
        finished: str = Searcher.FINISHED
        return finished

    def _fill(self) -> None:
        if self._elsewhere and time.monotonic() - self._polled > POLL_SECONDS:
            self._polled = time.monotonic()
            self.ledger.refresh()
            waiting, self._elsewhere = self._elsewhere, []
            left = [t for pack in waiting for t in pack.trials if t.id not in self.ledger.criteria]
            self._queue.extend(self._cut(left))
        if not self._queue:
            new = [trial for trial in self.ledger.ready() if trial.id not in self._seen]
            self._seen.update(trial.id for trial in new)
            self._queue.extend(self._cut(new))

    def _cut(self, trials: list[Trial]) -> list[Pack]:
        """`trials` in packs; those that have a checkpoint together first, as they were."""
        left = {trial.id: trial for trial in trials}
        begun = []
        for pack_id, ids in self._checkpoints.packs().items() if left else ():
            if all(trial in left for trial in ids):
                pack = Pack(tuple(left[trial] for trial in ids))
                # The file may be anybody's: only what is a pack is formed
                if pack.id == pack_id and len({together(trial) for trial in pack.trials}) == 1:
                    begun.append(pack)
                    left = {name: trial for name, trial in left.items() if name not in ids}
        return begun + self._make(list(left.values()))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Keep the leases of packs that wait for a worker; those being trained have a heartbeat there."""
        pack = self.running.get(trial_id)
        self._begun.add(trial_id)
        if pack is not None and result["saved"] > self._saved.get(pack.id, 0.0):
            self._saved[pack.id] = result["saved"]
            self._deaths.pop(pack.id, None)
        if time.monotonic() - self._refreshed > EXPIRES / 4:
            self._refreshed = time.monotonic()
            for name, waiting in self.running.items():
                if name not in self._begun:
                    self._leases.refresh(waiting.id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Read what the worker has published, which may settle a learning rate; or see what to do instead.

        Raises UserError, which ends the run, where results cannot be written any more.
        """
        pack = self.running.pop(trial_id, None)
        self._begun.discard(trial_id)
        if pack is None:
            return
        outcome = None if error or result is None else result.get("outcome")
        if error:
            self._died(trial_id, pack)
        elif outcome == TAKEN:
            self._elsewhere.append(pack)
        elif outcome == TOO_LARGE:
            self.causes[pack.id] = result["cause"] if result else ""
            self._split_or_fail(trial_id, pack, deaths=0)
        elif outcome == UNWRITABLE:
            raise UserError(result["cause"] if result else "results cannot be written")
        else:
            try:
                self.ledger.absorb(self.ledger.store.read_file(pack.id))
            except FileNotFoundError:  # merged into another file already
                self.ledger.refresh()

    def _died(self, trial_id: str, pack: Pack) -> None:
        deaths = self._deaths[pack.id] = self._deaths.get(pack.id, 0) + 1
        if deaths <= RETRIES:
            self._queue.appendleft(pack)  # this run keeps its lease
        else:
            self._split_or_fail(trial_id, pack, deaths=RETRIES - 1)

    def _split_or_fail(self, trial_id: str, pack: Pack, deaths: int) -> None:
        """Halves of the pack, each as if so many of its workers had died; a single trial fails."""
        self._leases.release(pack.id)
        if len(pack.trials) == 1:
            self.failed[trial_id] = pack
            return
        middle = len(pack.trials) // 2
        halves = [Pack(pack.trials[:middle]), Pack(pack.trials[middle:])]
        self._deaths |= {half.id: deaths for half in halves}
        self._queue.extendleft(reversed(halves))

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Tune pickles the searcher for a snapshot that is never read."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the Parquet files are the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""


class Causes(Callback):
    """What the worker of each Tune trial that failed said last, by that trial's name.

    A ResultGrid does not tell which pack a worker had that died before its first report.
    """

    def __init__(self) -> None:
        self.causes: dict[str, str] = {}

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A worker died, or its training raised an error."""
        lines = str(trial.get_error() or "its worker died").strip().splitlines()
        self.causes[trial.trial_id] = lines[-1] if lines else "its worker died"

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Tune pickles its callbacks for a snapshot that is never read."""
        return {}

"""The searcher: learning rates first, each method's repetitions as soon as its rate is chosen."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from ray.tune.search import Searcher

from dfa_tune.orchestration.ledger import Ledger
from dfa_tune.orchestration.packs import Pack, PackSize, make_packs
from dfa_tune.results.leases import EXPIRES, Leases

POLL_SECONDS = 2.0  # how often to look for what another run has finished, when all the rest is done


class TuneThenRepeat(Searcher):
    """Hands packs to Ray Tune as they become due; one `Tuner.fit()` runs both stages without a barrier.

    `constant`: the part of every Tune trial's config that is not the pack.
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
    ) -> None:
        super().__init__()
        self.ledger, self._leases, self._constant = ledger, leases, constant
        self._cut = lambda trials: make_packs(trials, size, slots, gpu)
        self._seen: set[str] = set()
        self._queue: deque[Pack] = deque()
        self._elsewhere: list[Pack] = []  # another run is at them
        self._polled = self._refreshed = 0.0
        self.running: dict[str, Pack] = {}
        self.failed: dict[str, Pack] = {}

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

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Keep the leases of packs that wait for a worker; those being trained have a heartbeat there."""
        if time.monotonic() - self._refreshed > EXPIRES / 4:
            self._refreshed = time.monotonic()
            for pack in self.running.values():
                self._leases.refresh(pack.id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Read what the worker has published, which may settle a learning rate."""
        pack = self.running.pop(trial_id, None)
        if pack is None:
            return
        if error:
            self.failed[trial_id] = pack
            self._leases.release(pack.id)
        else:
            self.ledger.absorb(self.ledger.store.read_file(pack.id))

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Tune pickles the searcher for a snapshot that is never read."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the Parquet files are the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""

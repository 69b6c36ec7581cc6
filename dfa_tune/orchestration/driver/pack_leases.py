"""This run's leases on packs, and the packs that another run is training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.planning.trial import Trial
from dfa_tune.results.leases import EXPIRES, Leases

POLL_SECONDS = 2.0  # between two looks at what another run has finished
REFRESH_SECONDS = EXPIRES / 4


class PackLeases:
    """Takes a lease on each pack before it is handed out, so that two runs at once share the work.

    A worker refreshes the lease of the pack that it trains. The leases of packs that still wait for a worker
    are refreshed here. `clock` gives seconds that never go back.
    """

    def __init__(self, leases: Leases, clock: Callable[[], float] = time.monotonic) -> None:
        self._leases, self._clock = leases, clock
        self._elsewhere: list[Pack] = []
        self._looked = self._refreshed = -float("inf")

    @property
    def elsewhere(self) -> bool:
        """Whether another run holds packs that this run would train."""
        return bool(self._elsewhere)

    def take(self, pack: Pack) -> bool:
        """Whether the pack is ours now; if another run holds any of its trials, `look_again` returns it."""
        if self._leases.acquire(pack.id, [trial.id for trial in pack.trials]):
            return True
        self._elsewhere.append(pack)
        return False

    def lost(self, pack: Pack) -> None:
        """Another run has taken this pack from our worker."""
        self._elsewhere.append(pack)

    def release(self, pack: Pack) -> None:
        """Give the pack back: this run will not train it as it is."""
        self._leases.release(pack.id)

    def refresh(self, packs: Iterable[Pack]) -> None:
        """Keep the leases of `packs`; to be called often, does something every `REFRESH_SECONDS`."""
        if self._clock() - self._refreshed >= REFRESH_SECONDS:
            self._refreshed = self._clock()
            for pack in packs:
                self._leases.refresh(pack.id)

    def look_again(self) -> list[Trial]:
        """The trials of the packs that another run held; none if they were asked for just now."""
        if not self._elsewhere or self._clock() - self._looked < POLL_SECONDS:
            return []
        self._looked = self._clock()
        packs, self._elsewhere = self._elsewhere, []
        return [trial for pack in packs for trial in pack.trials]

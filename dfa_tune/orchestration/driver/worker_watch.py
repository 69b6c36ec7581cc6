"""Workers that have stopped without ending: a process that was suspended, or that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.results.leases import EXPIRES, Leases

LOOK_SECONDS = 5.0  # between two looks
HUNG_SECONDS = 3600.0  # without a report, though the lease is refreshed; a step takes seconds


@dataclass
class _Signs:
    """Seconds since a worker has reported, and since it has reported or refreshed its lease."""

    report: float = 0.0
    life: float = 0.0
    refreshed: float | None = None  # what its lease said last


class WorkerWatch:
    """Finds workers that have neither reported nor refreshed their lease for as long as a lease is valid.

    Other runs take such a worker for dead by then, and may train its pack. A worker whose training hangs
    still refreshes its lease, from another thread: it is given `HUNG_SECONDS`.

    Only time during which this process looked counts, so that nobody is missed when the whole machine, or the
    whole run, was suspended and goes on. `clock` gives seconds that never go back.
    """

    def __init__(self, leases: Leases, clock: Callable[[], float] = time.monotonic) -> None:
        self._leases, self._clock = leases, clock
        self._looked = clock()
        self._signs: dict[str, _Signs] = {}  # by the id of the Tune trial

    @property
    def due(self) -> bool:
        """Whether it is time to look again."""
        return self._clock() - self._looked >= LOOK_SECONDS

    def reported(self, name: str) -> None:
        """The worker of this Tune trial has reported."""
        self._signs[name] = _Signs()

    def ended(self, name: str) -> None:
        """This Tune trial has ended."""
        self._signs.pop(name, None)

    def look(self, training: Mapping[str, Pack]) -> dict[str, str]:
        """Which of the workers that train these packs have stopped, and what is to be said of them."""
        passed = min(self._clock() - self._looked, 2 * LOOK_SECONDS)
        self._looked = self._clock()
        quiet = []
        for name in training:
            signs = self._signs.setdefault(name, _Signs())
            signs.report += passed
            signs.life += passed
            if signs.report > EXPIRES / 2:  # longer than a step usually takes: is its lease refreshed?
                quiet.append(name)
        self._read_leases({name: training[name] for name in quiet})
        stopped = {}
        for name in quiet:
            signs = self._signs[name]
            if signs.life > EXPIRES:
                stopped[name] = f"its worker stopped responding for {signs.life:.0f} s"
            elif signs.report > HUNG_SECONDS:
                stopped[name] = f"its worker trained for {signs.report / 60:.0f} min without a report"
        for name in stopped:
            self._signs[name] = _Signs()  # once more after as long, should it still be there
        return stopped

    def _read_leases(self, quiet: Mapping[str, Pack]) -> None:
        """Note which of these workers have refreshed their lease since the last look."""
        leases = self._leases.active() if quiet else {}
        for name, pack in quiet.items():
            lease, signs = leases.get(pack.id), self._signs[name]
            if lease is not None and lease.owner == self._leases.owner:
                if signs.refreshed not in (None, lease.refreshed):
                    signs.life = 0.0
                signs.refreshed = lease.refreshed

"""Who trains what: packs that are being trained, so that two runs at once share the work.

A lease is `<results>/<name>/leases/<pack_id>.json`. It is a courtesy, not a promise: where two hold
one after all (on an object store, say, which has no locks), rows come twice and readers drop them.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Set
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

from dfa_tune.results.store import Store

EXPIRES = 60.0  # seconds without a refresh, after which whoever held the lease is taken for dead
FORGOTTEN = 3600.0  # seconds after which a dead run's lease is cleared away


@dataclass(frozen=True, kw_only=True)
class LeaseInfo:
    """A lease as its file holds it; times are seconds since the epoch, by the holder's clock."""

    trial_ids: list[str]
    owner: str
    host: str
    pid: int
    acquired: float
    refreshed: float
    process: str = ""  # which process of which machine `pid` is; empty where that cannot be told

    @classmethod
    def of(cls, owner: str, trial_ids: list[str], now: float) -> LeaseInfo:
        """This process's lease, taken now."""
        pid = os.getpid()
        return cls(
            trial_ids=trial_ids,
            owner=owner,
            host=platform.node(),
            pid=pid,
            acquired=now,
            refreshed=now,
            process=_process(pid) or "",
        )

    def valid(self, now: float) -> bool:
        """Whether its holder is taken to live; a time far in the future comes from a wrong clock.

        Where the holder was a process of this machine, it is looked for: a run that was killed need not
        be waited for.
        """
        return abs(now - self.refreshed) < EXPIRES and not self._dead()

    def _dead(self) -> bool:
        machine = self.process.rpartition(" ")[0]
        return bool(machine) and machine == _machine() and _process(self.pid) != self.process


@cache
def _machine() -> str:
    """This boot of this machine, and the name space of its process ids; empty where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 (its target is no path)
    except OSError:
        return ""


def _process(pid: int) -> str | None:
    """The process of that id, told from later ones by the time it began; None: there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if status[0] in "ZX" else f"{_machine()} {status[19]}"


class Leases:
    """The leases of a sweep, as one of its runs (`owner`) sees them.

    Pass another process `owner` to let it refresh and release what this one acquired.
    """

    def __init__(self, store: Store, owner: str | None = None) -> None:
        self.store = store
        self.owner = owner or uuid4().hex
        self._folder = store.folder("leases")
        self._ours: set[str] = set()  # packs acquired here: what their files say is known

    def acquire(self, pack_id: str, trial_ids: Iterable[str]) -> bool:
        """Take the pack unless another run holds it, or any of its trials in a pack of its own."""
        wanted = list(trial_ids)
        with self._lock():
            now = time.time()
            for other, lease in self._all(but=self._ours - {pack_id}).items():
                shared = other == pack_id or not set(wanted).isdisjoint(lease.trial_ids)
                if shared and lease.owner != self.owner and lease.valid(now):
                    return False
                if abs(now - lease.refreshed) > FORGOTTEN:
                    self._folder.remove(f"{other}.json")
            self._put(pack_id, LeaseInfo.of(self.owner, wanted, now))
            held = self._get(pack_id)  # without locks another run may have come last
            self._ours.add(pack_id)
        return held is not None and held.owner == self.owner

    def refresh(self, pack_id: str) -> bool:
        """Hold the pack for another minute; False if it has been taken, or was never held."""
        with self._lock():
            held = self._get(pack_id)
            if held is None or held.owner != self.owner:
                return False
            self._put(pack_id, LeaseInfo(**{**asdict(held), "refreshed": time.time()}))
        return True

    def release(self, pack_id: str) -> None:
        """Give the pack back; nothing happens if another run has it by now."""
        with self._lock():
            held = self._get(pack_id)
            if held is not None and held.owner == self.owner:
                self._folder.remove(f"{pack_id}.json")

    def active(self) -> dict[str, LeaseInfo]:
        """The leases that have not expired, by pack; changes nothing."""
        now = time.time()
        return {pack: lease for pack, lease in self._all().items() if lease.valid(now)}

    def _all(self, but: Set[str] = frozenset()) -> dict[str, LeaseInfo]:
        packs = [name.removesuffix(".json") for name in self._folder.files() if name.endswith(".json")]
        found = {pack: self._get(pack) for pack in packs if pack not in but}
        return {pack: lease for pack, lease in found.items() if lease is not None}

    def _lock(self) -> AbstractContextManager[None]:
        return self._folder.lock(".lock")

    def _put(self, pack_id: str, lease: LeaseInfo) -> None:
        self._folder.put(f"{pack_id}.json", json.dumps(asdict(lease)).encode())

    def _get(self, pack_id: str) -> LeaseInfo | None:
        try:
            return LeaseInfo(**json.loads(self._folder.read(f"{pack_id}.json")))
        except (FileNotFoundError, ValueError, TypeError):
            return None  # released meanwhile, or not ours

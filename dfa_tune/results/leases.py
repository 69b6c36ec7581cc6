"""Which packs are being trained, so that two runs at the same time share the work.

A lease is the file `<results>/<name>/leases/<pack_id>.json`. Leases save work, but nothing relies on them:
where two runs train the same pack after all (on an object store, say, which has no locks), its rows are
there twice, and readers drop one copy.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Set
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter

from dfa_tune.results.store import Store

EXPIRES = 60.0  # seconds without a refresh, after which the holder of a lease is taken for dead
FORGOTTEN = 3600.0  # seconds without a refresh, after which the file of a lease is removed
LARGEST_FILE = 1_000_000  # bytes


@dataclass(frozen=True, kw_only=True)
class LeaseInfo:
    """What a lease's file holds; times are seconds since 1970 by the clock of the holder."""

    trial_ids: list[str]
    owner: str
    host: str
    pid: int
    acquired: float
    refreshed: float
    process: str = ""  # identifies the process `pid` among all machines; "" where that is impossible

    @classmethod
    def of(cls, owner: str, trial_ids: list[str], now: float) -> LeaseInfo:
        """The lease that this process takes now."""
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
        """Whether the holder is taken to be alive. A time far in the future comes from a wrong clock.

        If the holder was a process of this machine, it is looked for: nobody waits for a run that was killed.
        """
        return abs(now - self.refreshed) < EXPIRES and not self._dead()

    def _dead(self) -> bool:
        machine = self.process.rpartition(" ")[0]
        return bool(machine) and machine == _machine() and _process(self.pid) != self.process


_LEASE = TypeAdapter(LeaseInfo)


def parse(content: bytes) -> LeaseInfo | None:
    """The lease that a file holds; None if it is not a lease."""
    try:
        return _LEASE.validate_json(content, strict=True)
    except ValueError:
        return None


@cache
def _machine() -> str:
    """This boot of this machine, and its namespace of process ids; "" where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 (the link's target is not a path)
    except OSError:
        return ""


def _process(pid: int) -> str | None:
    """The living process of this id, distinguished from later ones by its start; None if there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if status[0] in "ZX" else f"{_machine()} {status[19]}"


class Leases:
    """The leases of a sweep, as one of its runs (`owner`) sees them.

    A worker that is given its run's `owner` can refresh and release the leases that the run acquired.
    """

    def __init__(self, store: Store, owner: str | None = None) -> None:
        self.store = store
        self.owner = owner or uuid4().hex
        self._folder = store.folder("leases")
        self._ours: set[str] = set()  # packs acquired here, whose files need not be read again

    def acquire(self, pack_id: str, trial_ids: Iterable[str]) -> bool:
        """Take the pack, unless another run holds it or holds one of its trials in another pack."""
        wanted = list(trial_ids)
        with self._lock():
            now = time.time()
            for other, lease in self._all(but=self._ours - {pack_id}).items():
                shared = other == pack_id or not set(wanted).isdisjoint(lease.trial_ids)
                if shared and lease.owner != self.owner and lease.valid(now):
                    return False
                if not abs(now - lease.refreshed) <= FORGOTTEN:
                    self._folder.remove(f"{other}.json")
            self._put(pack_id, LeaseInfo.of(self.owner, wanted, now))
            held = self._get(pack_id)  # without locks another run may have written it just now
            self._ours.add(pack_id)
        return held is not None and held.owner == self.owner

    def refresh(self, pack_id: str) -> bool:
        """Keep the pack for another minute; False if another run has it by now, or nobody does."""
        with self._lock():
            held = self._get(pack_id)
            if held is None or held.owner != self.owner:
                return False
            self._put(pack_id, replace(held, refreshed=time.time()))
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
        """The pack's lease; None if it has been released meanwhile, or the file is not a lease."""
        try:
            return parse(self._folder.read(f"{pack_id}.json", LARGEST_FILE))
        except FileNotFoundError:
            return None

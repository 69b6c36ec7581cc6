"""A pack's lease is kept by a thread beside its training, however long an epoch takes."""

from __future__ import annotations

import threading
from contextlib import suppress

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.results.leases import EXPIRES, Leases

BEAT_SECONDS = EXPIRES / 4


class Heartbeat:
    """Refreshes the lease of `pack` every `seconds` until it is stopped.

    `lost` becomes true when another run holds the lease, as happens after a clock was changed: this worker
    must then give the pack up.
    """

    def __init__(self, leases: Leases, pack: Pack, seconds: float = BEAT_SECONDS) -> None:
        self._leases, self._pack_id, self._seconds = leases, pack.id, seconds
        self._trial_ids = [trial.id for trial in pack.trials]
        self.lost = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._stopped.wait(self._seconds):
            # A store that cannot be written now may be writable at the next beat. If it stays so, the
            # training finds out when it writes.
            with suppress(UserError):
                # A lease that is no longer ours was either cleared away, and is taken again, or taken over
                self.lost = not (
                    self._leases.refresh(self._pack_id)
                    or self._leases.acquire(self._pack_id, self._trial_ids)
                )

    def stop(self, *, release: bool) -> None:
        """End the thread; `release` gives the pack back, so that nobody waits for the lease to expire."""
        self._stopped.set()
        self._thread.join()
        if release:
            with suppress(UserError):  # the lease then expires
                self._leases.release(self._pack_id)

"""What becomes of a pack whose worker died, or whose worker had too little memory for it."""

from __future__ import annotations

from dfa_tune.orchestration.packs.pack import Pack

RETRIES = 2  # of a pack before it is split, and of a trial alone before it fails


class RetryPolicy:
    """Counts the workers that each pack has lost since its last checkpoint.

    A pack whose worker died is trained again as it is, from its checkpoint, up to `RETRIES` times. After
    that, and at once if it was too large for its worker's memory, it is split in halves. A trial that cannot
    be trained alone fails. Every method that returns packs returns what to train next: the pack, its halves,
    or nothing if a single trial has failed.
    """

    def __init__(self, retries: int = RETRIES) -> None:
        self._retries = retries
        self._saved: dict[str, float] = {}  # by pack: the share of epochs in its last checkpoint
        self._deaths: dict[str, int] = {}  # by pack: workers that died since then

    def checkpointed(self, pack: Pack, saved: float) -> None:
        """A worker reports that the pack's checkpoint holds the share `saved` of its epochs."""
        if saved > self._saved.get(pack.id, 0.0):
            self._saved[pack.id] = saved
            self._deaths.pop(pack.id, None)

    def worker_died(self, pack: Pack) -> list[Pack]:
        """The pack's worker died, for whatever reason."""
        deaths = self._deaths[pack.id] = self._deaths.get(pack.id, 0) + 1
        if deaths <= self._retries:
            return [pack]
        return self._halves(pack, deaths=self._retries - 1)  # each half is retried once more, then split

    def too_large(self, pack: Pack) -> list[Pack]:
        """The pack does not fit into the memory of its worker, or of its GPU."""
        return self._halves(pack, deaths=0)

    def _halves(self, pack: Pack, deaths: int) -> list[Pack]:
        """Two packs of half the trials, each as if it had lost so many workers already."""
        middle = len(pack.trials) // 2
        if not middle:
            return []
        halves = [Pack(part, pack.left) for part in (pack.trials[:middle], pack.trials[middle:])]
        self._deaths |= {half.id: deaths for half in halves}
        return halves

"""How many trials a pack should have on a GPU, found from the packs that have ended there."""

from __future__ import annotations

import statistics

FIRST = 64  # trials in a kind's first packs, before any has ended; not yet measured on a GPU
MOST = 1024  # a pack travels to its worker as text, and all of its work is lost with its GPU
GAIN = 1.1  # a larger pack must train this many times the trials per hour before a still larger one is tried
APART = 1.4  # packs whose sizes differ by less than this factor are not compared


class GpuPackSize:
    """The pack size that pays, for each kind of trials (see `pack_kind`).

    The size doubles as long as the largest packs so far train at least `GAIN` times as many trials per hour
    as smaller ones. After that, the size that trains most trials per hour is kept. A size that did not fit
    into memory is not tried again: half of it is then the limit. The answer depends only on what was
    reported, and on its order.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, dict[int, list[float]]] = {}  # per trial, by kind and size of the pack
        self._most: dict[str, int] = {}

    def ended(self, kind: str, trials: int, seconds: float) -> None:
        """A whole pack of so many trials took `seconds`."""
        if seconds > 0:
            self._seconds.setdefault(kind, {}).setdefault(trials, []).append(seconds / trials)

    def too_large(self, kind: str, trials: int) -> None:
        """A pack of so many trials did not fit into the GPU's memory."""
        self._most[kind] = max(1, min(self._most.get(kind, MOST), trials // 2))

    def wanted(self, kind: str) -> int:
        """How many trials the next pack of this kind should have, if there are so many."""
        return min(self._unbounded(kind), self._most.get(kind, MOST))

    def _unbounded(self, kind: str) -> int:
        each = {size: statistics.median(known) for size, known in self._seconds.get(kind, {}).items()}
        if not each:
            return FIRST
        largest = max(each)
        smaller = [size for size in each if size * APART <= largest]
        if not smaller:
            return max(FIRST, 2 * largest)
        if min(each[size] for size in smaller) >= GAIN * each[largest]:
            return 2 * largest
        return min(each, key=lambda size: each[size])

"""How many trials a pack should have on a GPU, from the packs that have ended there."""

from __future__ import annotations

import statistics

FIRST = 64  # trials of a kind's first packs; not yet measured on a GPU
MOST = 1024  # a pack travels to its worker as text, and what it computes is lost as a whole with its GPU
GAIN = 1.1  # times the trials an hour that a larger pack must bring to be followed by a still larger one
APART = 1.4  # times as large a pack must be to tell anything about size


class GpuPackSize:
    """The size that pays, for each kind of trials (what those of a pack have in common).

    Packs double as long as the largest so far trained GAIN times the trials an hour of the smaller ones. When
    they do not, the size that trained most stays. What did not fit into memory is not tried again: half of
    it is then the most. A function of what it was told, in that order, and of nothing else.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, dict[int, list[float]]] = {}  # a trial, by kind and size of its pack
        self._most: dict[str, int] = {}

    def ended(self, kind: str, trials: int, seconds: float) -> None:
        """A pack of so many trials took `seconds` as a whole."""
        if seconds > 0:
            self._seconds.setdefault(kind, {}).setdefault(trials, []).append(seconds / trials)

    def too_large(self, kind: str, trials: int) -> None:
        """A pack of so many trials did not fit into the GPU's memory."""
        self._most[kind] = max(1, min(self._most.get(kind, MOST), trials // 2))

    def wanted(self, kind: str) -> int:
        """How many trials the next pack should have, if there are so many."""
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

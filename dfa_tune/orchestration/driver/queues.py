"""Packs that wait for a worker: a queue for GPUs and one for cores; an empty one takes of the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias

from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.planning.trial import Trial

Cut: TypeAlias = Callable[[list[Trial], bool], list[Pack]]


class PackQueues:
    """`cut(trials, gpu)` makes packs of trials: large ones for a GPU, small ones for a core.

    What is bound to its queue keeps its size there: packs that have a checkpoint, or were split.
    """

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._bound: dict[bool, deque[Pack]] = {True: deque(), False: deque()}
        self._free: dict[bool, deque[Pack]] = {True: deque(), False: deque()}

    def __bool__(self) -> bool:
        return any((*self._bound.values(), *self._free.values()))

    def free(self, gpu: bool) -> deque[Pack]:
        """The packs of a queue that the other may take."""
        return self._free[gpu]

    def bind(self, packs: Iterable[Pack], gpu: bool) -> None:
        """Packs that are next in this queue, the first of them first, as they are."""
        self._bound[gpu].extendleft(reversed(list(packs)))

    def add(self, trials: list[Trial], gpu: bool) -> None:
        """Trials at the end of this queue, cut into packs for it."""
        self._free[gpu].extend(self._cut(trials, gpu))

    def cut_anew(self, gpu: bool) -> None:
        """Cut what waits in this queue and may be cut once more, in its order."""
        trials = [trial for pack in self._free[gpu] for trial in pack.trials]
        self._free[gpu].clear()
        self.add(trials, gpu)

    def next(self, gpu: bool) -> Pack | None:
        """The next pack of this queue; None where it is empty."""
        queue = self._bound[gpu] or self._free[gpu]
        return queue.popleft() if queue else None

    def take_half(self, gpu: bool) -> None:
        """Into this queue the later half of what the other may give, one pack at least, cut anew."""
        other = self._free[not gpu]
        taken = [other.pop() for _ in range(-(-len(other) // 2))]
        self.add([trial for pack in reversed(taken) for trial in pack.trials], gpu)

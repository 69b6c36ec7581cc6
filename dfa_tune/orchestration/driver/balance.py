"""How long packs take on GPUs and on cores, as measured while they run: what a core may still begin."""

from __future__ import annotations

from collections.abc import Sequence

from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.packs.time_estimate import work

RECALL = 2.0  # times as long as a GPU would take: below that what a core has done already is worth more


class Balance:
    """The pace of each kind, from the last pack that reported; times are in seconds.

    A pack's time is taken to grow with its trials' work on a core, and on a GPU with that of one of them.
    """

    def __init__(self) -> None:
        self._unit: dict[bool, float] = {}  # by whether on a GPU, seconds for what `work` calls a second
        self._left: dict[str, float] = {}

    def note(self, name: str, pack: Pack, gpu: bool, seconds: float, progress: float) -> None:
        """Pack `name` would take `seconds` as a whole at its present pace, and is so far (0 to 1)."""
        if seconds > 0:
            self._unit[gpu] = seconds / _size(pack, gpu)
            self._left[name] = seconds * (1 - progress)

    def forget(self, name: str) -> None:
        """The pack has ended."""
        self._left.pop(name, None)

    def worth_a_core(self, waiting: Sequence[Pack], gpus: int) -> bool:
        """Whether a core would end one of the trials that wait before `gpus` packs at once end them all."""
        if not waiting or len(self._unit) < 2:  # nothing is known yet: it is tried
            return True
        alone = Pack(waiting[0].trials[:1])
        everything = len(waiting) / gpus * self._unit[True] * _size(waiting[0], gpu=True)
        return self._unit[False] * _size(alone, gpu=False) < everything

    def left(self, name: str, pack: Pack) -> float:
        """How long a core that has this pack will take yet; 0 where that is not known."""
        if name in self._left or False not in self._unit:
            return self._left.get(name, 0.0)
        return self._unit[False] * _size(pack, gpu=False)

    def faster_on_a_gpu(self, name: str, pack: Pack, rounds: float) -> bool:
        """Whether GPUs that have `rounds` such packs each to do would end it far earlier than its core."""
        if True not in self._unit:
            return False
        return self.left(name, pack) > RECALL * max(1.0, rounds) * self._unit[True] * _size(pack, gpu=True)


def _size(pack: Pack, gpu: bool) -> float:
    return work(pack.trials[0]) * (1 if gpu else len(pack.trials))

"""Which pack a worker gets next, where some workers have a GPU and others have CPU cores alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from dfa_tune.orchestration.packs.gpu_pack_size import GpuPackSize
from dfa_tune.orchestration.packs.pack import Pack, pack_kind
from dfa_tune.orchestration.packs.pack_size import PackSize, SizeLimits, by_kind
from dfa_tune.orchestration.packs.placement import Slots
from dfa_tune.orchestration.packs.time_estimate import work
from dfa_tune.planning.trial import Trial

RECALL = 2.0  # a core keeps its pack unless GPUs would end it this many times sooner, starting afresh


class Dispatcher:
    """Holds what waits to be trained, and cuts a pack from it whenever a worker can take one.

    Trials wait in the order of the sweep. A pack is cut only when it is asked for, so its size fits the
    device that asks and what is known by then: a large pack for a GPU, a small one for a core. Packs that
    must stay as they are (they have a checkpoint, or were split because they did not fit) wait apart, for
    the kind of device that they were trained on, and go first.

    Where all workers are of one kind, that is everything. Where there are both, three rules keep every device
    busy without keeping the sweep waiting for a slow one:

    1. GPUs take trials from the front of the order, and cores from the back.
    2. A core takes nothing more when the GPUs would have ended all that waits before the core has ended a
       single trial. Until a pack of each kind has reported, that is not known, and cores take packs.
    3. When nothing waits for an idle GPU, cores give up those packs that the GPUs would end `RECALL` times
       sooner, though they start afresh there: what a core computed is not continued on a GPU.

    Time is predicted from the pack of each kind that reported last: seconds are proportional to the work of
    its trials on a core, and on a GPU to the work of one of them, since a GPU trains the members of a pack at
    once (see `time_estimate.work`). On GPUs, `GpuPackSize` finds the size that pays.

    size: trials in a pack, or "auto"
    slots: where packs can be trained, GPUs first
    """

    def __init__(self, size: PackSize, slots: Sequence[Slots]) -> None:
        self._size = size
        self.slots = tuple(slots)
        self._waiting: dict[str, deque[Trial]] = {}  # by kind, none of them empty
        self._shared = 0  # how many trials waited when the last ones came: what the slots share
        self._fixed: dict[bool, deque[Pack]] = {True: deque(), False: deque()}  # by whether for a GPU
        self._gpu_size = GpuPackSize()
        self._pace: dict[bool, float] = {}  # by whether on a GPU: seconds for a unit of predicted work
        self._left: dict[str, float] = {}  # by running pack: seconds until it ends

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting) or any(self._fixed.values())

    # -- what waits -----------------------------------------------------------------------------

    def add(self, trials: Iterable[Trial]) -> None:
        """Trials to be trained, after those that wait already."""
        for kind, group in by_kind(trials).items():
            self._waiting.setdefault(kind, deque()).extend(group)
        self._shared = sum(map(len, self._waiting.values()))

    def add_packs(self, packs: Iterable[Pack], gpu: bool) -> None:
        """Packs to be trained as they are, before everything else, on a GPU or on cores."""
        self._fixed[gpu].extendleft(reversed(list(packs)))

    def next(self, slots: Slots) -> Pack | None:
        """The next pack for one of `slots`; None if there is none that it should take."""
        if self._fixed[slots.gpu]:
            return self._fixed[slots.gpu].popleft()
        if self._waiting:
            gpus = self._count(gpu=True)
            if slots.gpu or not gpus or self._core_is_worth_it(gpus):
                return self._cut(slots, from_back=gpus > 0 and not slots.gpu)
        elif len(self.slots) == 1 and self._fixed[not slots.gpu]:  # no device of the other kind is left
            return self._fixed[not slots.gpu].popleft()
        return None

    def _cut(self, slots: Slots, *, from_back: bool) -> Pack:
        kind = next(reversed(self._waiting)) if from_back else next(iter(self._waiting))
        group, limits = self._waiting[kind], self._limits(slots)
        parts = -(-len(group) // limits.most(group, limits.share(self._shared)))  # of nearly even size
        if from_back:
            trials = [group.pop() for _ in range(-(-len(group) // parts))][::-1]
        else:
            trials = [group.popleft() for _ in range(len(group) // parts)]
        if not group:
            del self._waiting[kind]
        return Pack(tuple(trials))

    def _limits(self, slots: Slots) -> SizeLimits:
        others = any(each.count for each in self.slots if each.gpu != slots.gpu)  # which want a share as well
        return SizeLimits(
            size=self._size,
            slots=max(1, slots.count + others),
            gpu=slots.gpu,
            memory=slots.memory,
            measured=self._gpu_size,
        )

    def _count(self, *, gpu: bool) -> int:
        return sum(slots.count for slots in self.slots if slots.gpu == gpu)

    # -- how fast packs are ---------------------------------------------------------------------

    def reported(self, name: str, pack: Pack, gpu: bool, seconds: float, progress: float) -> None:
        """The running pack `name` seems to take `seconds` in all, and has done the share `progress` of it."""
        if seconds > 0:
            self._pace[gpu] = seconds / _predicted_work(pack.trials, gpu)
            self._left[name] = seconds * (1 - progress)

    def ended(self, name: str) -> None:
        """The pack `name` is not running any more."""
        self._left.pop(name, None)

    def gpu_pack_ended(self, pack: Pack, seconds: float) -> None:
        """A GPU has trained the whole pack in `seconds`, which tells what size pays."""
        self._gpu_size.ended(pack_kind(pack.trials[0]), len(pack.trials), seconds)

    def gpu_pack_too_large(self, pack: Pack) -> None:
        """The pack did not fit into a GPU's memory."""
        self._gpu_size.too_large(pack_kind(pack.trials[0]), len(pack.trials))

    def recalled(self, on_cores: Mapping[str, Pack]) -> list[str]:
        """Which of the packs that run `on_cores` an idle GPU should train instead, by name."""
        gpus = self._count(gpu=True)
        if not gpus or True not in self._pace:
            return []
        slowest_first = sorted(on_cores.items(), key=lambda item: -self.seconds_left(*item))
        names = []
        for place, (name, pack) in enumerate(slowest_first, 1):
            rounds = max(1.0, place / gpus)  # that many such packs, one after another, on each GPU
            there = rounds * self._pace[True] * _predicted_work(pack.trials, gpu=True)
            if self.seconds_left(name, pack) <= RECALL * there:
                break
            names.append(name)
        return names

    def seconds_left(self, name: str, pack: Pack) -> float:
        """How long a core will still need for the pack that it has; 0 while that is not known."""
        if name in self._left or False not in self._pace:
            return self._left.get(name, 0.0)
        return self._pace[False] * _predicted_work(pack.trials, gpu=False)

    def _core_is_worth_it(self, gpus: int) -> bool:
        """Whether a core would end one of the waiting trials before the GPUs have ended them all."""
        if len(self._pace) < 2:
            return True
        first = next(iter(self._waiting.values()))
        limits = self._limits(next(slots for slots in self.slots if slots.gpu))
        trials = sum(map(len, self._waiting.values()))
        packs = -(-trials // limits.most(first, limits.share(self._shared)))
        all_on_gpus = packs / gpus * self._pace[True] * _predicted_work(first, gpu=True)
        return self._pace[False] * work(first[0]) < all_on_gpus


def _predicted_work(trials: Sequence[Trial], gpu: bool) -> float:
    return work(trials[0]) * (1 if gpu else len(trials))

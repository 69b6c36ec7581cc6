"""How many trials a pack should have: what pays on its device, fits into memory and leaves work for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from dfa_tune.orchestration.packs.gpu_pack_size import GpuPackSize
from dfa_tune.orchestration.packs.memory import WORKER_BYTES, available_memory, largest_pack
from dfa_tune.orchestration.packs.pack import Pack, pack_kind
from dfa_tune.orchestration.packs.time_estimate import work
from dfa_tune.planning.trial import Trial

PackSize = int | Literal["auto"]
CPU_PACK = 8  # beyond this a core gains little: the products of one member already keep it busy
PACK_SECONDS = (
    20.0  # short trials share larger packs, as handing a pack to a worker takes a tenth of a second
)
LARGEST_PACK = 256
CACHED_BYTES = (
    4 * 2**20
)  # for the hidden units of a step; beyond this they leave the cache and a core is slower
PACKS_PER_SLOT = 3  # so that the last pack does not keep the other slots waiting for long
MEMORY_SHARE = 0.7  # of the free memory, for all packs together; a GPU's recorded steps need the rest


@dataclass(frozen=True, kw_only=True)
class SizeLimits:
    """What bounds the size of packs of which `slots` run at once, on GPUs or on CPU cores.

    size: trials in a pack as the user wants them, or "auto"
    memory: free bytes for all slots together; None: this machine's
    measured: what packs that ended on a GPU showed
    """

    size: PackSize
    slots: int
    gpu: bool = False
    memory: float | None = None
    measured: GpuPackSize = field(default_factory=GpuPackSize)

    def share(self, trials: int) -> int:
        """The most trials of `trials` in one pack, so that each slot gets several packs."""
        if self.gpu and self.slots == 1:  # nobody to share with
            return max(1, trials)
        return max(1, trials // (PACKS_PER_SLOT * self.slots))

    def most(self, group: Sequence[Trial], share: int) -> int:
        """The most trials in a pack from `group`, trials of one kind of which each slot may take `share`."""
        if self.size != "auto":
            return self.size
        memory = available_memory() if self.memory is None else self.memory
        each = MEMORY_SHARE * memory / self.slots - (0 if self.gpu else WORKER_BYTES)
        return min(share, self._worthwhile(group[0]), largest_pack(group, each))

    def _worthwhile(self, trial: Trial) -> int:
        """How many such trials run faster together than apart."""
        if self.gpu:
            return self.measured.wanted(pack_kind(trial))
        member = 4 * max(trial.network.hidden) * int(trial.training.batch_size)  # bytes of its hidden units
        return max(
            1, min(LARGEST_PACK, max(CPU_PACK, round(PACK_SECONDS / work(trial))), CACHED_BYTES // member)
        )


def by_kind(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    """The trials that may share a pack, by `pack_kind`, in their order."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(pack_kind(trial), []).append(trial)
    return groups


def make_packs(trials: Iterable[Trial], limits: SizeLimits) -> list[Pack]:
    """All `trials` in packs of even size, in their order."""
    groups = by_kind(trials).values()
    share = limits.share(sum(map(len, groups)))
    return [Pack(tuple(part)) for group in groups for part in even_parts(group, limits.most(group, share))]


def even_parts(group: Sequence[Trial], most: int) -> Iterable[Sequence[Trial]]:
    """`group` in as few parts of at most `most` trials as possible; their lengths differ by at most one."""
    parts = -(-len(group) // most)
    bounds = [len(group) * part // parts for part in range(parts + 1)]
    return [group[low:high] for low, high in pairwise(bounds)]

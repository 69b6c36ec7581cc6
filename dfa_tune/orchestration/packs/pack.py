"""Packs: trials that one worker trains together as one batched computation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

from dfa_tune.orchestration.packs.gpu_pack_size import GpuPackSize
from dfa_tune.orchestration.packs.memory import WORKER_BYTES, available_memory, largest_pack
from dfa_tune.orchestration.packs.time_estimate import work
from dfa_tune.planning.trial import Trial

PackSize = int | Literal["auto"]
CPU_PACK = 8  # a core gains little beyond: the products of one member keep it busy already
PACK_SECONDS = 20.0  # short trials go further together: handing a pack to a worker costs a tenth of a second
LARGEST_PACK = 256
CACHED_BYTES = 4 * 2**20  # of a step's hidden units, beyond which they go through memory and a core loses
PACKS_PER_SLOT = 3  # so that the last pack to end does not keep the other slots waiting for long
MEMORY_SHARE = 0.7  # of what is free, for all packs together; a GPU's recorded steps have the rest


@dataclass(frozen=True)
class Pack:
    """Trials that differ in learning rate, seed and feedback alone."""

    trials: tuple[Trial, ...]

    @cached_property
    def id(self) -> str:
        """16 hex characters; the name of its file of results."""
        return hashlib.sha256("\n".join(trial.id for trial in self.trials).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """JSON types: what travels to the worker, short, since Ray Tune keeps several copies of it."""
        members = [[trial.learning_rate, trial.seed, trial.method.feedback] for trial in self.trials]
        return {"trial": self.trials[0].to_json(), "members": members}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Pack:
        """The pack that `to_json` wrote."""
        first = Trial.from_json(content["trial"])
        return cls(
            tuple(
                replace(first, learning_rate=rate, seed=seed, method=replace(first.method, feedback=feedback))
                for rate, seed, feedback in content["members"]
            )
        )


def together(trial: Trial) -> str:
    """What the trials of a pack have in common."""
    shared = replace(trial, learning_rate=0.0, seed=0, method=replace(trial.method, feedback=None))
    return json.dumps(shared.to_json(), sort_keys=True)


def make_packs(
    trials: Iterable[Trial],
    size: PackSize,
    slots: int,
    gpu: bool = False,
    memory: float | None = None,
    throughput: GpuPackSize | None = None,
) -> list[Pack]:
    """`trials` cut into packs, in their order; `slots` packs run at once.

    "auto": as large as pays on the device and fits into `memory` (free bytes for all slots together; None:
    this machine's), but small enough that every slot gets several. On a GPU, what pays is what packs that
    have ended there showed (`throughput`), and one that has no other beside it need not share.
    """
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(together(trial), []).append(trial)
    if size != "auto":
        return [Pack(tuple(part)) for group in groups.values() for part in _even_parts(group, size)]
    count = sum(map(len, groups.values()))
    fair = count if gpu and slots == 1 else max(1, count // (PACKS_PER_SLOT * slots))
    measured = (throughput or GpuPackSize()) if gpu else None
    if memory is None:
        memory = available_memory()
    each = MEMORY_SHARE * memory / slots - (0 if gpu else WORKER_BYTES)
    return [
        Pack(tuple(part))
        for group in groups.values()
        for part in _even_parts(group, min(fair, _worthwhile(group[0], measured), largest_pack(group, each)))
    ]


def _worthwhile(trial: Trial, on_gpu: GpuPackSize | None) -> int:
    """How many such trials gain from each other's company."""
    if on_gpu is not None:
        return on_gpu.wanted(together(trial))
    step = 4 * max(trial.network.hidden) * int(trial.training.batch_size)  # bytes of a member's hidden units
    cached = CACHED_BYTES // step
    return max(1, min(LARGEST_PACK, max(CPU_PACK, round(PACK_SECONDS / work(trial))), cached))


def _even_parts(group: Sequence[Trial], size: int) -> Iterable[Sequence[Trial]]:
    """`group` in as few parts as `size` allows, their lengths differing by at most one."""
    parts = -(-len(group) // size)
    bounds = [len(group) * part // parts for part in range(parts + 1)]
    return [group[low:high] for low, high in pairwise(bounds)]

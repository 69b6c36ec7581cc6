"""Whether a saved state is one that a training can continue from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dfa_tune.learning.metrics import ALIGNMENTS, BY_LAYER

SUMS = ("sum.loss", "sum.correct")
ALIGNMENT = "alignment."
SHARED = ("position", "clock")  # what a pack has once, not for each member


def state_of_members(state: Mapping[str, Tensor], members: Sequence[int]) -> dict[str, Tensor]:
    """The state of a pack of these members alone, by their positions in the pack that `state` is of."""
    return {name: tensor if name in SHARED else tensor[list(members)] for name, tensor in state.items()}


class Position(NamedTuple):
    """Where a training stands: the epoch it is in (0: before the first), steps taken, and the next batch of
    the epoch (-1: the epoch has ended).
    """

    epoch: int
    steps: int
    batch: int


def checked_position(
    given: Mapping[str, Tensor], expected: Mapping[str, Tensor], epochs: int, batches: int
) -> Position:
    """The position that the state `given` says; raises ValueError, naming the entry, where it is not valid.

    `expected`: a state of the same pack between two epochs. `epochs`, and `batches` in each, are the
    training's.
    """
    for name, tensor in expected.items():
        _same_kind(name, given.get(name), tensor)
    position = Position(*given["position"].tolist())
    epoch, steps, batch = position
    if not 0 <= epoch <= epochs:
        raise ValueError(f"position: epoch {epoch} of {epochs}")
    if not (-1 <= batch < batches) or (epoch == 0 and batch >= 0):
        raise ValueError(f"position: batch {batch} in epoch {epoch}; an epoch has {batches}")
    if steps != (wanted := epoch * batches if batch < 0 else (epoch - 1) * batches + batch):
        raise ValueError(f"position: {steps} steps at epoch {epoch}, batch {batch}; valid: {wanted}")
    if not 0 <= (clock := float(given["clock"])) < math.inf:
        raise ValueError(f"clock: {clock} seconds")
    further = {name for name in given if name not in expected}
    if batch >= 0:
        members = len(expected["diverged"])
        layers = sum(name.startswith("parameter.hidden.") and name.endswith(".weight") for name in expected)
        single = torch.empty(members, dtype=torch.float64)
        by_layer = torch.empty(members, layers, dtype=torch.float64)
        known = {ALIGNMENT + name: single for name in ALIGNMENTS}
        known |= {ALIGNMENT + name: by_layer for name in BY_LAYER}
        for name in {*SUMS, *(further & known.keys())}:
            _same_kind(name, given.get(name), known.get(name, single))
        further -= {*known, *SUMS}
    if further:
        raise ValueError(f"{min(further)}: not the state of this pack")
    return position


def _same_kind(name: str, given: Tensor | None, expected: Tensor) -> None:
    if given is None or given.shape != expected.shape or given.dtype != expected.dtype:
        raise ValueError(f"{name}: not the state of this pack")

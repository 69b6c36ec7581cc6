"""An epoch that is being trained, and its metrics on their way from the device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dfa_tune.learning.batches import Batches
from dfa_tune.learning.epoch_sums import Sums


@dataclass
class Epoch:
    """An epoch that is being trained. Alignments are (P,) or (P, L) each."""

    batches: Batches
    samples: int
    evaluated: bool
    sums: Sums
    alignments: dict[str, Tensor] = field(default_factory=dict)
    batch: int = 0  # the next one to train on

    @property
    def finished(self) -> bool:
        """Whether there is no batch left to train on."""
        return self.batch * self.batches.size >= self.samples

    @property
    def last_full(self) -> int:
        """The batch on which alignments are measured."""
        return self.samples // self.batches.size - 1


def numbers(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """For each tensor (P,) a number for each member, for each (P, L) a list; all brought over at once."""
    widths = [1 if tensor.dim() == 1 else tensor.shape[1] for tensor in tensors.values()]
    together = torch.cat([tensor.view(len(tensor), -1) for tensor in tensors.values()], 1).cpu()
    parts = zip(tensors.items(), torch.split(together, widths, 1), strict=True)
    return {name: part.reshape(tensor.shape).tolist() for (name, tensor), part in parts}

"""Binary cross-entropy from logits, element by element.

`torch.sigmoid` and `softplus` compute the last elements of a tensor in another way than the others, with
other last bits, so that a packed trial would differ from the trial alone. `exp` and `log1p` do not.
"""

from __future__ import annotations

import torch
from torch import Tensor


def probability(logits: Tensor) -> Tensor:
    """1 / (1 + e^-z), any shape; its limits where e^-z overflows."""
    return 1 / (1 + torch.exp(-logits))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-y log p - (1 - y) log(1 - p) with p = probability(z), any shape (thesis chapter 4)."""
    return logits.clamp(min=0) + torch.log1p(torch.exp(-logits.abs())) - labels * logits

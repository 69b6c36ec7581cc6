"""The losses: their value for each tuple, and their gradient by the logits.

Shapes: logits (P, B, C), targets (P or 1, B, C): 1 at the label's class and 0 elsewhere, or with a single
output the label itself. Every element is computed in the same way wherever it lies in its tensor.
`torch.sigmoid` and `softplus` compute the last elements of a tensor in another way than the others, with
other last bits, so that a packed trial would differ from the trial alone. `exp`, `log` and `log1p` do not.
They are taken in float64: rounded to float32, they are the same on every processor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss of logits and targets: `value` (P, B), and `error` (P, B, C), its gradient by the logits."""

    value: Callable[[Tensor, Tensor], Tensor]
    error: Callable[[Tensor, Tensor], Tensor]


def probability(logits: Tensor) -> Tensor:
    """The sigmoid 1 / (1 + e^-z), any shape; its limits where e^-z overflows."""
    return (1 / (1 + torch.exp(-logits.double()))).to(logits.dtype)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """-y log p - (1 - y) log(1 - p) with p = probability(z), summed over the outputs (thesis chapter 4)."""
    z = logits.double()
    each = z.clamp(min=0) + torch.log1p(torch.exp(-z.abs())) - targets * z
    return each.sum(2).to(logits.dtype)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """-log p_y with p = softmax(z), for the class y at which the target is 1."""
    below = logits.double() - logits.amax(2, keepdim=True)  # so that nothing overflows
    return (below.exp().sum(2).log() - below.where(targets != 0, 0.0).sum(2)).to(logits.dtype)


def softmax(logits: Tensor) -> Tensor:
    """e^z_c / sum_c' e^z_c', (P, B, C)."""
    powers = (logits.double() - logits.amax(2, keepdim=True)).exp()
    return (powers / powers.sum(2, keepdim=True)).to(logits.dtype)


def one_hot(labels: Tensor, outputs: int) -> Tensor:
    """The targets (P or 1, B, C) of labels (P or 1, B) for C outputs; one output has the label itself."""
    targets = labels.unsqueeze(2)
    if outputs == 1:
        return targets
    return (targets == torch.arange(outputs, device=labels.device)).to(labels.dtype)


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether the largest logit is that of the label, or a single logit has its sign: bool, (P, B)."""
    if logits.shape[2] == 1:
        return (logits[:, :, 0] > 0) == (labels > 0)
    return logits.argmax(2) == labels


LOSSES = {
    "binary_cross_entropy": Loss(value=binary_cross_entropy, error=lambda z, y: probability(z) - y),
    "cross_entropy": Loss(value=cross_entropy, error=lambda z, y: softmax(z) - y),
}

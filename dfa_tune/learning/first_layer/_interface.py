"""What the network, and a training step, ask of a layer's inputs.

Shapes: P members, B tuples in a batch, D inputs, H hidden units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from dfa_tune.learning.optimizers._base import Base


class WeightGradient(Protocol):
    """The gradient of a layer's weights, (P, D, H), that is not computed yet: a step may fuse it."""

    def compute(self) -> Tensor:
        """The gradient, in memory that the next one may overwrite."""
        ...

    def update(self, optimizer: Base, learning_rate: Tensor, decay: float, t: int | Tensor) -> None:
        """Take the optimizer's step t with this gradient plus decay * parameter; learning_rate (P, 1, 1)."""
        ...


class Inputs(Protocol):
    """What a layer sees of a batch, (P or 1, B, D), whichever way it is stored."""

    def affine(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The preactivations scale * x W + b of weights (P, D, H): (P or 1, B, H), the caller's to change.

        They are accumulated and returned in the weights' type.
        """
        ...

    def gradient(self, delta: Tensor, out: Tensor) -> WeightGradient:
        """The gradient scale * x^T delta of weights under `delta` (P, B, H), to be written into `out`."""
        ...


class Source(Protocol):
    """Makes a batch's inputs of the items of its tuples."""

    def inputs(self, chosen: list[Tensor]) -> Inputs:
        """The inputs of tuples, for each stream the positions (B, k) of their items; valid until the next."""
        ...

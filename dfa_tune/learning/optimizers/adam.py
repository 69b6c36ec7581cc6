"""Adam: both moments bias-corrected by the step t; epsilon outside the root (thesis section 1.4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfa_tune.learning.optimizers._base import EPSILON, Base

if TYPE_CHECKING:
    from torch import Tensor

BETA1, BETA2 = 0.9, 0.999


class Optimizer(Base):
    """State: the running means m of gradients and v of squared gradients."""

    slots, scratches = 2, 1

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        import torch

        (first, second), (below,) = self.state, self.scratch
        first.mul_(BETA1).add_(gradient, alpha=1 - BETA1)
        second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        # eta m' / (sqrt(v') + epsilon) with both corrections and eta in the denominator: one pass less
        root = (1 - BETA2**t) ** 0.5
        factor = learning_rate * (root / (1 - BETA1**t))
        torch.sqrt(second, out=below).add_(EPSILON * root).div_(factor)
        self.parameter.addcdiv_(first, below, value=-1)

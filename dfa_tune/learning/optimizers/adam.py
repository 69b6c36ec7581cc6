"""Adam: both moments bias-corrected by the step t; epsilon outside the root (thesis section 1.4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfa_tune.learning.optimizers._base import EPSILON, Base

if TYPE_CHECKING:
    from torch import Tensor

BETA1, BETA2 = 0.9, 0.999


class Optimizer(Base):
    """State: the running means m of gradients and v of squared gradients."""

    slots = 2

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int) -> None:
        first, second = self.state
        first.mul_(BETA1).add_(gradient, alpha=1 - BETA1)
        second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        denominator = (second / (1 - BETA2**t)).sqrt_().add_(EPSILON)
        corrected = first * (learning_rate / (1 - BETA1**t))
        self.parameter.addcdiv_(corrected, denominator, value=-1)

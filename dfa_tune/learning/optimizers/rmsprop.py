"""RMSProp: E <- rho E + (1 - rho) g^2, theta <- theta - eta g / sqrt(E + epsilon) (thesis section 1.4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfa_tune.learning.optimizers._base import EPSILON, RHO, Base

if TYPE_CHECKING:
    from torch import Tensor


class Optimizer(Base):
    """State: the running mean of squared gradients E."""

    slots = 1

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int) -> None:
        (square,) = self.state
        square.mul_(RHO).addcmul_(gradient, gradient, value=1 - RHO)
        gradient.mul_(learning_rate)
        self.parameter.addcdiv_(gradient, (square + EPSILON).sqrt_(), value=-1)

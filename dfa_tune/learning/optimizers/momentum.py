"""Momentum: v <- gamma v + eta g, theta <- theta - v (thesis section 1.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dfa_tune.learning.optimizers._base import RHO, Base

if TYPE_CHECKING:
    from torch import Tensor


class Optimizer(Base):
    """State: the velocity v."""

    defaults: ClassVar = {"rho": RHO}
    slots = 1
    fuses = True

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        (velocity,) = self.state
        velocity.mul_(self.options["rho"]).addcmul_(gradient, learning_rate)
        self.parameter.sub_(velocity)

    def step_fused(self, gradient: Tensor, learning_rate: Tensor, decay: float, t: int | Tensor) -> None:
        from dfa_tune.learning.optimizers._kernels import arrays, momentum, rates

        theta, g, velocity = arrays(self.parameter, gradient, *self.state)
        momentum(theta, g, velocity, rates(learning_rate), np.float32(decay), np.float32(self.options["rho"]))

"""Momentum: v <- gamma v + eta g, theta <- theta - v (thesis section 1.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

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

    def formula(self, learning_rate: Tensor, t: int | Tensor) -> tuple[Any, ...]:
        """The state (P, D, H), the learning rates and the options, for kernels."""
        from dfa_tune.learning.optimizers import _kernels

        rho = np.float32(self.options["rho"])
        return _kernels.Momentum(self.state[0].numpy(), _kernels.rates(learning_rate), rho)

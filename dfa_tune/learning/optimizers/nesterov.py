"""Nesterov's accelerated gradient (thesis section 1.4.1).

v <- gamma v + eta g(theta - gamma v), theta <- theta - v.

What is stored is the look-ahead point phi = theta - gamma v, where the gradient is taken; one step
moves it by -(eta g + gamma v_new). The test sees theta.
"""

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
        rho = self.options["rho"]
        gradient.mul_(learning_rate)
        velocity.mul_(rho).add_(gradient)
        self.parameter.sub_(gradient).sub_(velocity, alpha=rho)

    def formula(self, learning_rate: Tensor, t: int | Tensor) -> tuple[Any, ...]:
        """The state (P, D, H), the learning rates and the options, for kernels."""
        from dfa_tune.learning.optimizers import _kernels

        rho = np.float32(self.options["rho"])
        return _kernels.Nesterov(self.state[0].numpy(), _kernels.rates(learning_rate), rho)

    def evaluated(self) -> Tensor:
        """theta = phi + gamma v."""
        # Two operations: `add` with an alpha rounds once on some processors and twice on others
        return self.parameter + self.state[0] * self.options["rho"]

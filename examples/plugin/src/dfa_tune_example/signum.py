"""Signum: steps along the sign of a running mean of gradients (Bernstein et al. 2018).

v <- rho v + (1 - rho) g, theta <- theta - eta sign(v)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dfa_tune.learning.optimizers import Base

if TYPE_CHECKING:
    from torch import Tensor


class Optimizer(Base):
    """State: the running mean v."""

    defaults: ClassVar = {"rho": 0.9}
    slots = 1

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        (mean,) = self.state
        rho = self.options["rho"]
        mean.mul_(rho).add_(gradient, alpha=1 - rho)
        self.parameter.sub_(mean.sign().mul_(learning_rate))

"""NAME: steps along the sign of a running mean of gradients, Signum (Bernstein et al. 2018).

    v <- rho v + (1 - rho) g, theta <- theta - eta sign(v)

Change `step` into an optimizer of your own. The gradient contains the weight decay already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dfa_tune.learning.optimizers import Base

if TYPE_CHECKING:  # torch takes a second to import, and planning a sweep does not need it
    from torch import Tensor


class Optimizer(Base):
    """State: the running mean v."""

    defaults: ClassVar = {"rho": 0.9}  # options that a space may set: optimizers: {NAME: {rho: 0.99}}
    slots = 1  # tensors of the parameter's shape that begin at zero

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        """Update the parameter (P, rows, columns) in place; `gradient` may be overwritten.

        `learning_rate` is (P, 1, 1): each member of the pack has its own. `t` counts steps from 1.
        """
        (mean,) = self.state
        rho = self.options["rho"]
        mean.mul_(rho).add_(gradient, alpha=1 - rho)
        self.parameter.sub_(mean.sign().mul_(learning_rate))

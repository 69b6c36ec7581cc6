"""RMSProp: E <- rho E + (1 - rho) g^2, theta <- theta - eta g / sqrt(E + epsilon) (thesis section 1.4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dfa_tune.learning.optimizers._base import EPSILON, RHO, Base

if TYPE_CHECKING:
    from torch import Tensor


class Optimizer(Base):
    """State: the running mean of squared gradients E."""

    defaults: ClassVar = {"rho": RHO, "epsilon": EPSILON}
    slots, scratches = 1, 1
    fuses = True

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        import torch

        (square,), (factor,) = self.state, self.scratch
        rho = self.options["rho"]
        square.mul_(rho).addcmul_(gradient, gradient, value=1 - rho)
        torch.add(square, self.options["epsilon"], out=factor).rsqrt_().mul_(learning_rate)
        self.parameter.addcmul_(gradient, factor, value=-1)

    def formula(self, learning_rate: Tensor, t: int | Tensor) -> tuple[Any, ...]:
        """The state (P, D, H), the learning rates and the options, for kernels."""
        from dfa_tune.learning.optimizers import _kernels

        rho, epsilon = self.options["rho"], self.options["epsilon"]
        numbers = map(np.float32, (rho, 1 - rho, epsilon))
        return _kernels.RMSProp(self.state[0].numpy(), _kernels.rates(learning_rate), *numbers)

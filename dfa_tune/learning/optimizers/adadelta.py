"""Adadelta, scaled by the learning rate as in PyTorch (thesis section 1.4.2; Zeiler 2012).

E[g^2] <- rho E[g^2] + (1 - rho) g^2; step = RMS[step] / RMS[g] g with RMS[.] = sqrt(E[.^2] + epsilon);
E[step^2] <- rho E[step^2] + (1 - rho) step^2; theta <- theta - eta step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dfa_tune.learning.optimizers._base import EPSILON, RHO, Base

if TYPE_CHECKING:
    from torch import Tensor


class Optimizer(Base):
    """State: the running means of squared gradients and of squared steps."""

    defaults: ClassVar = {"rho": RHO, "epsilon": EPSILON}
    slots, scratches = 2, 2
    fuses = True

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        import torch

        (square, moved), (step, below) = self.state, self.scratch
        rho, epsilon = self.options["rho"], self.options["epsilon"]
        square.mul_(rho).addcmul_(gradient, gradient, value=1 - rho)
        torch.add(square, epsilon, out=below)
        torch.add(moved, epsilon, out=step).div_(below).sqrt_().mul_(gradient)
        moved.mul_(rho).addcmul_(step, step, value=1 - rho)
        self.parameter.addcmul_(step, learning_rate, value=-1)

    def formula(self, learning_rate: Tensor, t: int | Tensor) -> tuple[Any, ...]:
        """The state (P, D, H), the learning rates and the options, for kernels."""
        from dfa_tune.learning.optimizers import _kernels

        (square, moved), rho, epsilon = self.state, self.options["rho"], self.options["epsilon"]
        numbers = map(np.float32, (rho, 1 - rho, epsilon))
        return _kernels.Adadelta(square.numpy(), moved.numpy(), _kernels.rates(learning_rate), *numbers)

    def step_fused(self, gradient: Tensor, learning_rate: Tensor, decay: float, t: int | Tensor) -> None:
        """As `Base.step_fused`; in two passes, as the square root is torch's."""
        from dfa_tune.learning.optimizers._kernels import adadelta_ratio, adadelta_step

        formula, ratio = self.formula(learning_rate, t), self.scratch[0]
        theta, g = self.parameter.numpy(), gradient.numpy()
        adadelta_ratio(formula, theta, g, ratio.numpy(), np.float32(decay))
        adadelta_step(formula, theta, g, ratio.sqrt_().numpy())

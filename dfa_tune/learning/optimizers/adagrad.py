"""Adagrad: G <- G + g^2, theta <- theta - eta g / sqrt(G + epsilon) (thesis section 1.4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dfa_tune.learning.optimizers._base import EPSILON, Base

if TYPE_CHECKING:
    from torch import Tensor


class Optimizer(Base):
    """State: the sum of squared gradients G."""

    defaults: ClassVar = {"epsilon": EPSILON}
    slots, scratches = 1, 1
    fuses = True

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        import torch

        (total,), (factor,) = self.state, self.scratch
        total.addcmul_(gradient, gradient)
        torch.add(total, self.options["epsilon"], out=factor).rsqrt_().mul_(learning_rate)
        self.parameter.addcmul_(gradient, factor, value=-1)

    def step_fused(self, gradient: Tensor, learning_rate: Tensor, decay: float, t: int | Tensor) -> None:
        from dfa_tune.learning.optimizers._kernels import adagrad, arrays, rates

        theta, g, total = arrays(self.parameter, gradient, *self.state)
        epsilon = np.float32(self.options["epsilon"])
        adagrad(theta, g, total, rates(learning_rate), np.float32(decay), epsilon)

"""Adagrad: G <- G + g^2, theta <- theta - eta g / sqrt(G + epsilon) (thesis section 1.4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

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

    def formula(self, learning_rate: Tensor, t: int | Tensor) -> tuple[Any, ...]:
        """The state (P, D, H), the learning rates and the options, for kernels."""
        from dfa_tune.learning.optimizers import _kernels

        epsilon = np.float32(self.options["epsilon"])
        return _kernels.Adagrad(self.state[0].numpy(), _kernels.rates(learning_rate), epsilon)

"""Mini-batch gradient descent: theta <- theta - eta g (thesis section 1.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfa_tune.learning.optimizers._base import Base

if TYPE_CHECKING:
    from torch import Tensor


class Optimizer(Base):
    """No state."""

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        self.parameter.addcmul_(gradient, learning_rate, value=-1)

    def step_product(
        self,
        x: Tensor,
        delta: Tensor,
        scale: float,
        learning_rate: Tensor,
        decay: float,
        t: int | Tensor,
        out: Tensor,
    ) -> None:
        """The same step inside the matrix product: the gradient is never written to memory."""
        from dfa_tune.learning.matmul import whole

        if x.dtype != self.parameter.dtype or not whole(*x.shape[1:], delta.shape[2]):
            super().step_product(x, delta, scale, learning_rate, decay, t, out)
            return
        if decay:
            self.parameter.mul_(1 - decay * learning_rate)
        self.parameter.baddbmm_(
            x.transpose(1, 2).expand(delta.shape[0], -1, -1), delta * learning_rate, alpha=-scale
        )

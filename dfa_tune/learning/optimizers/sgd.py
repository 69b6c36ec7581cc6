"""Mini-batch gradient descent: theta <- theta - eta g (thesis section 1.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dfa_tune.learning.optimizers._base import Base

if TYPE_CHECKING:
    from torch import Tensor

    from dfa_tune.learning.matmul import GradientProduct


class Optimizer(Base):
    """No state."""

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        self.parameter.addcmul_(gradient, learning_rate, value=-1)

    def step_product(
        self, gradient: GradientProduct, learning_rate: Tensor, decay: float, t: int | Tensor
    ) -> None:
        """The same step inside the matrix product: the gradient is never written to memory."""
        if not gradient.direct:
            super().step_product(gradient, learning_rate, decay, t)
            return
        if decay:
            self.parameter.mul_(1 - decay * learning_rate)
        x = gradient.x.transpose(1, 2).expand(gradient.delta.shape[0], -1, -1)
        self.parameter.baddbmm_(x, gradient.delta * learning_rate, alpha=-gradient.scale)

    def formula(self, learning_rate: Tensor, t: int | Tensor) -> tuple[Any, ...]:
        """The learning rates, for kernels; there is no state."""
        from dfa_tune.learning.optimizers import _kernels

        return _kernels.SGD(_kernels.rates(learning_rate))

"""Adam: both moments bias-corrected by the step t; epsilon outside the root (thesis section 1.4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dfa_tune.learning.optimizers._base import EPSILON, Base

if TYPE_CHECKING:
    from torch import Tensor

BETA1, BETA2 = 0.9, 0.999


class Optimizer(Base):
    """State: the running means m of gradients and v of squared gradients."""

    defaults: ClassVar = {"beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON}
    slots, scratches = 2, 1
    fuses = True

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        import torch

        (first, second), (below,) = self.state, self.scratch
        beta1, beta2 = self.options["beta1"], self.options["beta2"]
        first.mul_(beta1).add_(gradient, alpha=1 - beta1)
        second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        epsilon, factor = self._corrected(learning_rate, t)
        torch.sqrt(second, out=below).add_(epsilon)
        self.parameter.addcmul_(torch.div(first, below, out=below), factor, value=-1)

    def formula(self, learning_rate: Tensor, t: int | Tensor) -> tuple[Any, ...]:
        """The state (P, D, H), the learning rates and the options, for kernels."""
        from dfa_tune.learning.optimizers import _kernels

        (first, second), beta1, beta2 = self.state, self.options["beta1"], self.options["beta2"]
        epsilon, factor = self._corrected(learning_rate, t)
        betas = (np.float32(beta1), np.float32(1 - beta1), np.float32(beta2), np.float32(1 - beta2))
        return _kernels.Adam(
            first.numpy(), second.numpy(), betas, np.float32(float(epsilon)), _kernels.rates(factor)
        )

    def step_fused(self, gradient: Tensor, learning_rate: Tensor, decay: float, t: int | Tensor) -> None:
        """As `Base.step_fused`; in two passes, as the square root is torch's."""
        import torch

        from dfa_tune.learning.optimizers._kernels import adam_moments, adam_step

        formula, root = self.formula(learning_rate, t), self.scratch[0]
        theta = self.parameter.numpy()
        adam_moments(formula, theta, gradient.numpy(), np.float32(decay))
        adam_step(formula, theta, torch.sqrt(self.state[1], out=root).numpy())

    def _corrected(self, learning_rate: Tensor, t: int | Tensor) -> tuple[float | Tensor, Tensor]:
        """Epsilon and the factor, (P, 1, 1), that make eta m' / (sqrt(v') + epsilon) one division.

        It is factor m / (sqrt(v) + epsilon): both corrections and eta in the factor.
        """
        beta1, beta2, epsilon = (self.options[name] for name in ("beta1", "beta2", "epsilon"))
        root = (1 - beta2**t) ** 0.5
        return epsilon * root, learning_rate * (root / (1 - beta1**t))

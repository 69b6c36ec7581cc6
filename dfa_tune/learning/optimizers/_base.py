"""What an optimizer's module gives: a class `Optimizer` that derives from `Base`.

The formulas are those of thesis section 1.4, each parameter (P, rows, columns) with its own state
and each of the P members with its own learning rate, (P, 1, 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-8  # the thesis' smoothing constant
RHO = 0.9  # decay of running averages, and of the velocity


class Base:
    """One parameter's optimizer. `slots` state tensors of the parameter's shape, at first zero.

    `scratch` tensors of the same shape are for what a step computes on its way: written anew at every
    step, a tensor of megabytes costs more in fresh memory than in arithmetic.
    """

    slots: ClassVar[int] = 0
    scratches: ClassVar[int] = 0

    def __init__(self, parameter: Tensor) -> None:
        self.parameter = parameter
        self.state = [parameter.new_zeros(parameter.shape) for _ in range(self.slots)]
        self.scratch = [parameter.new_empty(parameter.shape) for _ in range(self.scratches)]

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        """Update the parameter in place; `gradient` may be overwritten.

        t counts steps from 1: an int, or a 0-dim float64 on the device, which must not be read: a recorded
        step (`learning/graph.py`) is the same function at every t.
        """
        raise NotImplementedError

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
        """One step with the gradient scale * x^T delta + decay * parameter.

        x: (P or 1, B, D), delta: (P, B, H), out: (P, D, H), overwritten.
        """
        product(x, delta, scale, out)
        if decay:
            out.add_(self.parameter, alpha=decay)
        self.step(out, learning_rate, t)

    def evaluated(self) -> Tensor:
        """The parameter theta that is tested; differs from where gradients are taken for Nesterov only."""
        return self.parameter


def product(x: Tensor, delta: Tensor, scale: float, out: Tensor) -> None:
    """out = scale * x^T delta for each member: (P, D, H)."""
    import torch

    from dfa_tune.learning.products import multiply, whole

    xt = x.transpose(1, 2)
    if xt.dtype != out.dtype or not whole(*xt.shape[1:], delta.shape[2]):  # bfloat16 products, or odd sizes
        out.copy_(multiply(xt, delta.to(xt.dtype))).mul_(scale)
    else:
        torch.baddbmm(out, xt.expand(delta.shape[0], -1, -1), delta, beta=0, alpha=scale, out=out)

"""Matrix products whose bits depend on neither the pack nor the number of threads.

MKL's kernels sum in another order at a matrix's last rows and columns, in an operand that does not begin at a
multiple of 64 bytes (the second member's, if its size is odd), and where threads divide a matrix at an odd
place. With all sizes multiples of 16 this never happened in float32 and bfloat16 (one to four threads, 180
shapes), nor in float64 with one or two threads. Other sizes are padded with zeros, which add nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from dfa_tune.learning.optimizers._base import Base

BLOCK = 16


def whole(*sizes: int) -> bool:
    """Whether a product of these sizes needs no padding."""
    return not any(size % BLOCK for size in sizes)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """a b for each member: (P or 1, M, K), (P, K, N) -> (P, M, N), contiguous."""
    import torch

    rows, columns = a.shape[1], b.shape[2]
    product = torch.bmm(_padded(a).expand(b.shape[0], -1, -1), _padded(b))
    return product[:, :rows, :columns].contiguous()


@dataclass(frozen=True)
class GradientProduct:
    """A weight gradient scale * x^T delta that is not multiplied yet: a step may do it in one operation.

    x (P or 1, B, D), in the products' type: what the layer saw; delta (P, B, H): the gradients of its
    preactivations; out (P, D, H): memory for the gradient, overwritten.
    """

    x: Tensor
    delta: Tensor
    scale: float
    out: Tensor

    @property
    def direct(self) -> bool:
        """Whether the operands can be multiplied as they are, without padding or another type."""
        return self.x.dtype == self.out.dtype and whole(*self.x.shape[1:], self.delta.shape[2])

    def compute(self) -> Tensor:
        """The gradient, in `out`."""
        import torch

        x = self.x.transpose(1, 2)
        if self.direct:
            x = x.expand(self.delta.shape[0], -1, -1)
            return torch.baddbmm(self.out, x, self.delta, beta=0, alpha=self.scale, out=self.out)
        return self.out.copy_(multiply(x, self.delta.to(x.dtype))).mul_(self.scale)

    def update(self, optimizer: Base, learning_rate: Tensor, decay: float, t: int | Tensor) -> None:
        """Take the optimizer's step t with this gradient plus decay * parameter; overwrites `out`."""
        optimizer.step_product(self, learning_rate, decay, t)


def _padded(matrix: Tensor) -> Tensor:
    from torch.nn.functional import pad

    _, rows, columns = matrix.shape
    if whole(rows, columns):
        return matrix
    return pad(matrix, (0, -columns % BLOCK, 0, -rows % BLOCK))

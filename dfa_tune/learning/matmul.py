"""Matrix products and sums whose bits depend on neither the pack nor the number of threads.

MKL's kernels sum in another order at a matrix's last rows and columns, where an operand does not begin at
a multiple of 64 bytes (the second member's of an odd size), and where threads cut a matrix at an odd place.
With all sizes multiples of 16 none of this was seen in float32 and bfloat16 (one to four threads, 180
shapes), nor in float64 with one or two threads. Other sizes are padded with zeros, which add nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 16
CHUNK = 16_384  # torch cuts a sum of 32,768 elements or more between threads


def whole(*sizes: int) -> bool:
    """Whether a product of these sizes needs no padding."""
    return not any(size % BLOCK for size in sizes)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """a b for each member: (P or 1, M, K), (P, K, N) -> (P, M, N), contiguous."""
    import torch

    rows, columns = a.shape[1], b.shape[2]
    product = torch.bmm(_padded(a).expand(b.shape[0], -1, -1), _padded(b))
    return product[:, :rows, :columns].contiguous()


def _padded(matrix: Tensor) -> Tensor:
    from torch.nn.functional import pad

    _, rows, columns = matrix.shape
    if whole(rows, columns):
        return matrix
    return pad(matrix, (0, -columns % BLOCK, 0, -rows % BLOCK))


def tuple_sums(values: Tensor) -> Tensor:
    """The sum over each member's tuples, (P, B) -> (P,), in an order that depends on B alone."""
    if values.shape[1] <= CHUNK:
        return values.sum(1)
    import torch

    return torch.stack([part.sum(1) for part in torch.split(values, CHUNK, dim=1)]).sum(0)

"""Sums whose bits depend on neither the pack nor the number of threads.

`portable`: nor on the processor, whose vectors decide in which order torch adds; in float32 on a CPU only.
Shapes: P members, B tuples in a batch, H units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 64  # rows of a matrix summed at once, which stay in a core's cache


def over_units(x: Tensor, weight: Tensor, portable: bool) -> Tensor:
    """The sums over units of x (P or 1, B, H) * weight (P, 1, H), (P, B, 1).

    Not a product with a single column: its bits would depend on the pack.
    """
    if not portable:
        return (x * weight).sum(2, keepdim=True)
    from dfa_tune.learning import _sum_kernels

    out = weight.new_empty(weight.shape[0], x.shape[1], 1)
    _sum_kernels.over_units(x.contiguous().numpy(), weight.contiguous().numpy(), out.numpy())
    return out


def over_tuples(x: Tensor, factor: Tensor, portable: bool) -> Tensor:
    """The sums over tuples of x (P or 1, B, H) * factor (P, B, 1), (P, 1, H); see `over_units`."""
    if not portable:
        return (x * factor).sum(1, keepdim=True)
    from dfa_tune.learning import _sum_kernels

    out = factor.new_empty(factor.shape[0], 1, x.shape[2])
    _sum_kernels.over_tuples(x.contiguous().numpy(), factor.contiguous().numpy(), out.numpy())
    return out


def totals(x: Tensor, portable: bool) -> Tensor:
    """The sums over tuples of x (P, B, H), (P, 1, H)."""
    if not portable:
        return x.sum(1, keepdim=True)
    from dfa_tune.learning import _sum_kernels

    out = x.new_empty(x.shape[0], 1, x.shape[2])
    _sum_kernels.totals(x.contiguous().numpy(), out.numpy())
    return out


def of_tuples(values: Tensor) -> Tensor:
    """The sums over the tuples of a batch, (..., B) -> (...) in float64."""
    values = values.double()
    # A CPU takes running sums one after the other; how it adds in `sum` depends on the processor and threads
    return values.cumsum(-1)[..., -1] if values.device.type == "cpu" else values.sum(-1)


def over_columns(x: Tensor, y: Tensor) -> Tensor:
    """The sums of rows of x * y, (P, R, C) each -> (P, R) in float64: halves are added until one is left."""
    import torch

    parts = zip(torch.split(x, ROWS, dim=1), torch.split(y, ROWS, dim=1), strict=True)
    return torch.cat([_halved(a * b) for a, b in parts], dim=1)


def _halved(x: Tensor) -> Tensor:
    x = x.double()
    while (columns := x.shape[2]) > 1:
        half = columns // 2
        added = x[:, :, :half] + x[:, :, half : 2 * half]
        if columns % 2:
            added[:, :, 0] += x[:, :, -1]
        x = added
    return x[:, :, 0]

"""Products with a frozen first layer, computed once for each item instead of once for each tuple.

A tuple's preactivation is the sum of its items' products with their blocks of the weights:
x W = sum_j x_j W_j. Where W never changes (random features, and the gates of `ntk` and `galu`), each x_j W_j
is a row of a table. An epoch then costs, for each tuple, a sum of k rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from dfa_tune.learning.matmul import multiply

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1024  # items multiplied at once, which bounds the memory that they take as floats


def pays(items: int, tuples: int) -> bool:
    """Whether a table of so many items costs less than the products of so many tuples."""
    return items <= tuples


class Table:
    """The products of one stream's items with each block of a frozen weight matrix.

    From items (M, D / k), a weight (1, D, H) in item order and a bias (1, 1, H) or None it makes k M rows
    (H): scale * (item - centre) W_j, with the bias added to those of the first block. `operand` converts to
    the type in which matrices are multiplied. `stream`: whose weights these are.
    """

    def __init__(
        self,
        items: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        centre: float,
        scale: float,
        operand: Callable[[Tensor], Tensor],
        stream: int,
    ) -> None:
        self.items, self.stream, dtype = items, stream, weight.dtype
        count, size = items.shape
        blocks = torch.split(weight[0], size)
        self._offsets = torch.arange(len(blocks), device=items.device) * count
        self._rows = weight.new_empty(len(blocks), count, weight.shape[2])
        for begin in range(0, count, CHUNK):
            x = operand(items[begin : begin + CHUNK].to(dtype).sub_(centre)).unsqueeze(0)
            for block, rows in zip(blocks, self._rows, strict=True):
                part = rows[begin : begin + CHUNK]
                part.copy_(multiply(x, operand(block).unsqueeze(0))[0]).mul_(scale)
        if bias is not None:
            self._rows[0] += bias[0]
        self._rows = self._rows.view(-1, weight.shape[2])

    def sums(self, chosen: Tensor) -> Tensor:
        """scale * (x - centre) W + b, (B, H), of the tuples made of the items at `chosen` (B, k)."""
        return embedding_bag(chosen + self._offsets, self._rows, mode="sum")


@dataclass(frozen=True)
class Known:
    """Inputs whose products (P or 1, B, H) with the frozen weights, bias included, are known already."""

    products: Tensor

    def affine(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The products; the weights are those of the tables."""
        return self.products

    def gradient(self, delta: Tensor, out: Tensor) -> NoReturn:
        """Frozen weights are never updated."""
        raise TypeError("weights whose products are in a table are frozen")


class TableSource:
    """Looks up the products of tuples in one table for each stream.

    `members`: the stream of each, (P,); None where they need no copy (`batches.spread`).
    """

    def __init__(self, tables: list[Table], members: Tensor | None) -> None:
        self._tables, self._members = tables, members

    def inputs(self, chosen: list[Tensor]) -> Known:
        """The products of tuples, for each stream the positions (B, k) of their items."""
        sums = [table.sums(part) for table, part in zip(self._tables, chosen, strict=True)]
        first = torch.stack(sums) if len(sums) > 1 else sums[0].unsqueeze(0)
        return Known(first if self._members is None else first.index_select(0, self._members))

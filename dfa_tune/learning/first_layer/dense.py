"""Dense products: inputs are numbers in memory, gathered from the items of a batch's tuples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from dfa_tune.learning.matmul import GradientProduct, multiply, whole


@dataclass(frozen=True)
class Dense:
    """Inputs x (P or 1, B, D), to be multiplied by `scale`; matrices are multiplied in `product_dtype`."""

    x: Tensor
    scale: float
    product_dtype: torch.dtype

    def affine(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """scale * x W + b, (P, B, H), accumulated and returned in the weights' type.

        Members that see the same data share x, (1, B, D). It is not copied: with a stride of 0 between
        members it is read again for each, on a GPU from its cache. One product with a wide (D, P H) takes as
        much work in as many tiles, but the rows of each member's weights, and of its optimizer's state, would
        lie far apart; `benchmarks/gpu.py` measures both products.
        """
        members, batch = weight.shape[0], self.x.shape[1]
        if self.product_dtype != weight.dtype or not whole(batch, *weight.shape[1:]):
            product = multiply(self.x.to(self.product_dtype), weight.to(self.product_dtype))
            a = product.to(weight.dtype).mul_(self.scale)
            return a if bias is None else a.add_(bias)
        x = self.x.expand(members, -1, -1)
        if bias is None:
            a = weight.new_empty(members, batch, weight.shape[2])
            return torch.baddbmm(a, x, weight, beta=0, alpha=self.scale, out=a)
        return torch.baddbmm(bias, x, weight, alpha=self.scale)

    def gradient(self, delta: Tensor, out: Tensor) -> GradientProduct:
        """The gradient scale * x^T delta, to be written into `out`, (P, D, H)."""
        return GradientProduct(self.x.to(self.product_dtype), delta, self.scale, out)


class DenseSource:
    """Gathers tuples as dense inputs, value - centre in the weights' type, into memory that is used again.

    `items`: for each stream its items (M, D / k). `size`: tuples in a batch, at most. `k`: items in a tuple.
    `members`: the stream of each, (P,); None where they need no copy (`batches.spread`). On a GPU all streams
    are gathered in three operations; on a CPU stream after stream, as is better for its cache.
    """

    def __init__(
        self,
        items: list[Tensor],
        members: Tensor | None,
        size: int,
        k: int,
        centre: float,
        scale: float,
        dtype: torch.dtype,
        product_dtype: torch.dtype,
    ) -> None:
        self._items, self._members, self._centre = items, members, centre
        self._scale, self._product_dtype = scale, product_dtype
        device, width = items[0].device, items[0].shape[1]
        self._x = torch.empty(len(items), size, k * width, dtype=dtype, device=device)
        self._pool = self._pooled() if device.type != "cpu" else None
        rows = size * k * (1 if self._pool is None else len(items))
        self._bytes = items[0].new_empty(rows, width)

    def inputs(self, chosen: list[Tensor]) -> Dense:
        """The inputs of tuples, for each stream the positions (B, k) of their items; valid until the next."""
        x = self._gather(self._x[:, : len(chosen[0])], chosen)
        if self._members is not None:
            x = x.index_select(0, self._members)
        return Dense(x, self._scale, self._product_dtype)

    def _pooled(self) -> tuple[Tensor, Tensor]:
        """The items of all streams in one array (M, D / k), and the first of each stream, (S, 1, 1)."""
        arrays: list[Tensor] = []
        for items in self._items:
            if not any(items is array for array in arrays):
                arrays.append(items)
        starts = [0, *accumulate(len(array) for array in arrays)]
        first = [starts[next(n for n, one in enumerate(arrays) if one is items)] for items in self._items]
        pool = arrays[0] if len(arrays) == 1 else torch.cat(arrays)
        return pool, torch.tensor(first, device=pool.device).view(-1, 1, 1)

    def _gather(self, x: Tensor, chosen: list[Tensor]) -> Tensor:
        if self._pool is not None:
            pool, starts = self._pool
            indices = (torch.stack(chosen) + starts).view(-1)
            gathered = torch.index_select(pool, 0, indices, out=self._bytes[: len(indices)])
            return x.copy_(gathered.view(x.shape)).sub_(self._centre)
        for items, indices, out in zip(self._items, chosen, x, strict=True):
            gathered = self._bytes[: indices.numel()]
            torch.index_select(items, 0, indices.reshape(-1), out=gathered)
            out.copy_(gathered.view(out.shape)).sub_(self._centre)
        return x

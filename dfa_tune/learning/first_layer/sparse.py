"""Sparse products: inputs that are mostly zero are kept by their other values, and zeros are skipped.

The mean folds out: (x - mean) W = x W - mean * (sum of W over inputs), and that sum is kept up to date by the
kernel that updates W. Only in float32 on a CPU. Members that share a stream share its non-zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.errors import UserError

if TYPE_CHECKING:
    from dfa_tune.learning.optimizers._base import Base

DENSEST = 1 / 3  # the largest share of values other than zero at which skipping zeros is faster
CHUNK = 1024  # items searched for zeros at once
Array = NDArray[Any]


def pays(density: float) -> bool:
    """Whether skipping zeros is faster where so large a share of the values is not zero."""
    return density <= DENSEST


def check_compiler() -> None:
    """UserError where numba may not compile: products that skip zeros are kernels of its own."""
    import numba

    settings: Any = numba.config
    if settings.DISABLE_JIT:
        raise UserError(
            "NUMBA_DISABLE_JIT is set, but products with data that are mostly zeros are compiled; unset it"
        )


class SparseItems:
    """The values of items (M, D / k) that are not zero: item m has start[m] to start[m + 1] of them."""

    def __init__(self, items: Tensor) -> None:
        array = items.numpy()
        counts = np.concatenate([np.count_nonzero(part, axis=1) for part in _chunks(array)])
        self.items, self.size = items, array.shape[1]
        self.most = int(counts.max())  # in an item
        self.start = np.concatenate([[0], np.cumsum(counts)])
        self.columns = np.empty(self.start[-1], np.uint16 if self.size <= 2**16 else np.int32)
        self.values = np.empty(self.start[-1], array.dtype)
        end = 0
        for part in _chunks(array):
            rows, columns = np.nonzero(part)
            begin, end = end, end + len(columns)
            self.columns[begin:end], self.values[begin:end] = columns, part[rows, columns]


def _chunks(array: Array) -> list[Array]:
    return [array[begin : begin + CHUNK] for begin in range(0, len(array), CHUNK)]


class ColumnSums:
    """The sums over inputs (P, H) of weights (P, D, H), computed again only where torch changed the weights.

    The kernel that updates weights also updates their sums, and torch does not notice either.
    """

    def __init__(self) -> None:
        self._known: list[tuple[Tensor, int, Array]] = []  # the weights, their version, the sums

    def of(self, weight: Tensor) -> Array:
        """The sums, in memory that stays the same for the same weights."""
        from dfa_tune.learning.first_layer._sparse_kernels import column_sums

        for place, (known, version, sums) in enumerate(self._known):
            if known is weight:
                if version != weight._version:
                    column_sums(weight.numpy(), sums)
                    self._known[place] = (weight, weight._version, sums)
                return sums
        sums = np.empty((weight.shape[0], weight.shape[2]), np.float32)
        column_sums(weight.numpy(), sums)
        self._known.append((weight, weight._version, sums))
        return sums


class Blocks:
    """Memory by blocks of units, as the kernels go through it, that is used again.

    It is torch's: that begins where a cache line does, NumPy's does not.
    """

    def __init__(self) -> None:
        self._known: dict[str, Tensor] = {}

    def forward(self, batch: int, width: int) -> tuple[Array, Array]:
        """What `forward` needs for the preactivations of a batch."""
        from dfa_tune.learning.first_layer._sparse_kernels import ROWS
        from dfa_tune.learning.optimizers._kernels import UNITS

        blocks = -(-width // UNITS)
        return self._of("total", blocks, batch, UNITS), self._of("rows", blocks, ROWS, UNITS)

    def update(self, delta: Tensor, scale: np.float32) -> tuple[Array, Array]:
        """What `update_sparse` needs: scale * delta (P, B, H) by blocks, and memory for a gradient's rows."""
        from dfa_tune.learning.first_layer._sparse_kernels import by_blocks
        from dfa_tune.learning.optimizers._kernels import HELD, UNITS

        members, batch, width = delta.shape
        blocks = -(-width // UNITS)
        to = self._of("delta", members, blocks, batch, UNITS)
        by_blocks(delta.contiguous().numpy(), scale, to)
        return to, self._of("gradient", max(1, HELD // (blocks * UNITS)), blocks * UNITS)

    def _of(self, name: str, *shape: int) -> Array:
        """Memory of this shape, zero at first."""
        if name not in self._known or self._known[name].shape != shape:
            self._known[name] = torch.zeros(shape)
        return self._known[name].numpy()


class Stream:
    """A batch of one stream by rows and, when its gradient is asked for, by columns."""

    def __init__(self, items: SparseItems, members: Sequence[int], size: int, k: int) -> None:
        self._items, self.members = items, np.array(members)
        most, inputs = size * k * items.most, k * items.size
        self.first, self.column = np.empty(size + 1, np.int64), np.empty(most, np.uint32)
        self.value = np.empty(most, np.float32)
        self.column_first, self.tuples = np.empty(inputs + 1, np.int64), np.empty(most, np.uint32)
        self.column_value = np.empty(most, np.float32)
        self._batch, self._sorted = 0, False

    def gather(self, chosen: Tensor) -> None:
        """Take the tuples of the items at `chosen` (B, k)."""
        from dfa_tune.learning.first_layer._sparse_kernels import gather

        items = self._items
        positions = np.ascontiguousarray(chosen.numpy())
        gather(
            items.start,
            items.columns,
            items.values,
            items.size,
            positions,
            self.first,
            self.column,
            self.value,
        )
        self._batch, self._sorted = len(positions), False

    def sort(self) -> None:
        """Sort the batch by columns."""
        from dfa_tune.learning.first_layer._sparse_kernels import by_columns

        if not self._sorted:
            by_columns(
                self._batch,
                self.first,
                self.column,
                self.value,
                self.column_first,
                self.tuples,
                self.column_value,
            )
            self._sorted = True


class SparseSource:
    """Gathers tuples as sparse inputs, into memory that is used again.

    `items` has one entry for each stream, and `stream_of` one for each member. `size`: tuples in a batch, at
    most. `k`: items in a tuple.
    """

    def __init__(
        self,
        items: Sequence[SparseItems],
        stream_of: Sequence[int],
        size: int,
        k: int,
        centre: float,
        scale: float,
        sums: ColumnSums,
    ) -> None:
        members = [[p for p, one in enumerate(stream_of) if one == stream] for stream in range(len(items))]
        self._streams = [Stream(one, whose, size, k) for one, whose in zip(items, members, strict=True)]
        self._centre, self._scale, self._sums = np.float32(centre), np.float32(scale), sums
        self._blocks = Blocks()

    def inputs(self, chosen: list[Tensor]) -> Sparse:
        """The inputs of tuples, for each stream the positions (B, k) of their items; valid until the next."""
        for stream, part in zip(self._streams, chosen, strict=True):
            stream.gather(part)
        return Sparse(self._streams, len(chosen[0]), self._centre, self._scale, self._sums, self._blocks)


@dataclass(frozen=True)
class Sparse:
    """Inputs scale * (x - centre), x (P, B, D) with few values that are not zero."""

    streams: list[Stream]
    batch: int
    centre: np.float32
    scale: np.float32
    sums: ColumnSums
    blocks: Blocks

    def affine(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The preactivations scale * (x - centre) W + b, (P, B, H)."""
        from dfa_tune.learning.first_layer._sparse_kernels import forward

        a = weight.new_empty(weight.shape[0], self.batch, weight.shape[2])
        sums, w, out = self.sums.of(weight), weight.numpy(), a.numpy()
        total, rows = self.blocks.forward(self.batch, weight.shape[2])
        for one in self.streams:
            forward(
                one.members,
                one.first,
                one.column,
                one.value,
                self.centre,
                self.scale,
                w,
                sums,
                out,
                total,
                rows,
            )
        return a if bias is None else a.add_(bias)

    def gradient(self, delta: Tensor, out: Tensor) -> SparseGradient:
        """The gradient scale * (x - centre)^T delta, to be written into `out` if it is written at all."""
        return SparseGradient(self, delta, out)


@dataclass(frozen=True)
class SparseGradient:
    """The gradient of weights under `delta` (P, B, H); `out`: memory for it, where it has to be written."""

    inputs: Sparse
    delta: Tensor
    out: Tensor

    def compute(self) -> Tensor:
        """The gradient, in `out`."""
        from dfa_tune.learning.first_layer._sparse_kernels import gradient

        delta, out = self._scaled(), self.out.numpy()
        for one in self.inputs.streams:
            one.sort()
            gradient(
                one.members,
                one.column_first,
                one.tuples,
                one.column_value,
                self.inputs.centre,
                delta,
                out,
            )
        return self.out

    def update(self, optimizer: Base, learning_rate: Tensor, decay: float, t: int | Tensor) -> None:
        """Take the optimizer's step t with this gradient plus decay * parameter, row by row."""
        from dfa_tune.learning.optimizers._kernels import update_sparse

        weight = optimizer.parameter
        if (formula := optimizer.formula(learning_rate, t)) is None:
            computed = self.compute()
            optimizer.step(computed.add_(weight, alpha=decay) if decay else computed, learning_rate, t)
            return
        sums = self.inputs.sums.of(weight)
        delta, rows = self.inputs.blocks.update(self.delta, self.inputs.scale)
        for one in self.inputs.streams:
            one.sort()
            update_sparse(
                formula,
                one.members,
                one.column_first,
                one.tuples,
                one.column_value,
                self.inputs.centre,
                delta,
                weight.numpy(),
                np.float32(decay),
                sums,
                rows,
            )

    def _scaled(self) -> Array:
        return torch.mul(self.delta, float(self.inputs.scale)).contiguous().numpy()

"""Kernels of the products with sparse inputs. The update of the weights is in `optimizers/_kernels.py`.

Rounding is written out: every number is a sum in a fixed order, each term added by `fma`. So it depends on
neither the pack, nor threads, nor how wide the processor's vectors are. Arrays of numbers are in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dfa_tune.learning.optimizers._kernels import Array, accumulate, kernel

CACHED = 57_344  # weights that stay in a core's cache (224 KiB of 512 or more) while tuples go through them


@kernel
def gather(
    start: Any, columns: Any, values: Any, size: int, chosen: Any, first: Any, column: Any, value: Array
) -> None:
    """The tuples of the items at `chosen` (B, k), by rows.

    Item m has values[i] in its columns[i], start[m] <= i < start[m + 1]; it has `size` columns. Tuple b gets
    value[i] in column[i] with first[b] <= i < first[b + 1].
    """
    n = 0
    for b in range(chosen.shape[0]):
        first[b] = n
        for j in range(chosen.shape[1]):
            item = chosen[b, j]
            for i in range(start[item], start[item + 1]):
                column[n] = columns[i] + j * size
                value[n] = values[i]
                n += 1
    first[chosen.shape[0]] = n


@kernel
def by_columns(
    batch: int, row_first: Any, row_column: Any, row_value: Array, first: Any, tuples: Any, value: Array
) -> None:
    """The same non-zeros by columns, each column's in the order of tuples: a counting sort.

    Column d has value[i] in the tuples[i] with first[d] <= i < first[d + 1].
    """
    first[:] = 0
    for i in range(row_first[batch]):
        first[row_column[i] + 1] += 1
    for d in range(1, first.size):
        first[d] += first[d - 1]
    for b in range(batch):
        for i in range(row_first[b], row_first[b + 1]):
            place = first[row_column[i]]
            first[row_column[i]] = place + 1
            tuples[place] = b
            value[place] = row_value[i]
    for d in range(first.size - 1, 0, -1):  # each is now where the next one begins
        first[d] = first[d - 1]
    first[0] = 0


@kernel
def column_sums(weight: Array, sums: Array) -> None:
    """The sums over inputs, (P, D, N) -> (P, N), in their order."""
    sums[:] = 0
    for p in range(weight.shape[0]):
        for d in range(weight.shape[1]):
            for n in range(weight.shape[2]):
                sums[p, n] += weight[p, d, n]


@kernel
def forward(
    members: Any,
    first: Any,
    column: Any,
    value: Array,
    mean: np.float32,
    scale: np.float32,
    weight: Array,
    sums: Array,
    out: Array,
) -> None:
    """out (P, B, N) of `members`: scale * (x - mean) W, with `sums` the weights' sums over inputs.

    Columns ascend in each tuple. All tuples go through some rows of the weights before the next rows, which
    are then read from memory once; the order in which a tuple adds them is the same.
    """
    batch, inputs, width = out.shape[1], weight.shape[1], out.shape[2]
    rows = max(1, CACHED // width)
    place = np.empty(batch, np.int64)
    for p in members:
        for b in range(batch):
            place[b] = first[b]
            for n in range(width):
                out[p, b, n] = -mean * sums[p, n]
        for row in range(rows, inputs + rows, rows):  # up to this row
            for b in range(batch):
                begin = end = place[b]
                while end < first[b + 1] and column[end] < row:
                    end += 1
                accumulate(out[p, b], weight[p], column, value, begin, end)
                place[b] = end
        for b in range(batch):
            for n in range(width):
                out[p, b, n] *= scale


@kernel
def by_blocks(delta: Array, scale: np.float32, out: Array) -> None:
    """scale * delta (P, B, N) into `out` (P, blocks, B, units), which keeps its zeros beyond N."""
    units = out.shape[3]
    for p in range(delta.shape[0]):
        for block in range(out.shape[1]):
            for b in range(delta.shape[1]):
                part, whole = delta[p, b, block * units : (block + 1) * units], out[p, block, b]
                for n in range(part.size):
                    whole[n] = part[n] * scale


@kernel
def gradient(
    members: Any, first: Any, tuples: Any, value: Array, mean: np.float32, delta: Array, out: Array
) -> None:
    """out (P, D, N) of `members`: (x - mean)^T delta, as in `update_sparse`."""
    rest = np.empty(delta.shape[2], np.float32)
    for p in members:
        rest[:] = 0
        for b in range(delta.shape[1]):
            for n in range(rest.size):
                rest[n] += delta[p, b, n]
        for n in range(rest.size):
            rest[n] *= -mean
        for d in range(out.shape[1]):
            row = out[p, d]
            row[:] = rest
            accumulate(row, delta[p], tuples, value, first[d], first[d + 1])

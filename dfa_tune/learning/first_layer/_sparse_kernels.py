"""Kernels of the products with sparse inputs. The update of the weights is in `optimizers/_kernels.py`.

Rounding is written out: every number is a sum in a fixed order, each term added by `fma`. So it depends on
neither the pack, nor threads, nor how wide the processor's vectors are. Arrays of numbers are in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dfa_tune.learning.optimizers._kernels import UNITS, Array, accumulate, kernel, sum_rows

ROWS = 128  # of the weights, that go through the innermost cache a block of units at a time


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
            begin, end = start[chosen[b, j]], start[chosen[b, j] + 1]
            from_column, from_value = columns[begin:end], values[begin:end]
            to_column, to_value = column[n : n + from_column.size], value[n : n + from_column.size]
            before = np.uint32(j * size)
            for i in range(from_column.size):
                to_column[i] = np.uint32(from_column[i]) + before
            for i in range(from_value.size):
                to_value[i] = np.float32(from_value[i])
            n += from_column.size
    first[chosen.shape[0]] = n


@kernel
def by_columns(
    batch: int, row_first: Any, row_column: Any, row_value: Array, first: Any, tuples: Any, value: Array
) -> None:
    """The same non-zeros by columns, each column's in the order of tuples: a counting sort.

    Column d has value[i] in the tuples[i] with first[d] <= i < first[d + 1].
    """
    first[:] = 0
    place, columns = first[1:], row_column[: row_first[batch]]
    for i in range(columns.size):
        place[columns[i]] += 1
    n = 0
    for d in range(place.size):
        place[d], n = n, n + place[d]  # where column d begins
    for b in range(batch):
        begin, end = row_first[b], row_first[b + 1]
        column, of_row = row_column[begin:end], row_value[begin:end]
        for i in range(column.size):
            n = place[column[i]]
            place[column[i]] = n + 1  # where it ends, after its last tuple
            tuples[n] = b
            value[n] = of_row[i]


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
    total: Array,
    rows: Array,
) -> None:
    """out (P, B, N) of `members`: scale * (x - mean) W, with `sums` the weights' sums over inputs.

    Columns ascend in each tuple. All tuples go through some rows of the weights before the next rows, which
    are then read from memory once; the order in which a tuple adds them is the same. `total` (blocks, B,
    UNITS) and `rows` (blocks, ROWS, UNITS) are scratch memory, by blocks of units.
    """
    blocks, batch, inputs = total.shape[0], out.shape[1], weight.shape[1]
    begin, end = np.empty(batch, np.int64), np.empty(batch, np.int64)
    flat, flat_rows = total.reshape(-1), rows.reshape(-1)
    for p in members:
        begin[:] = first[:batch]
        for block in range(blocks):
            known = sums[p, block * UNITS : (block + 1) * UNITS]
            for b in range(batch):
                start = total[block, b]
                for n in range(known.size):
                    start[n] = -mean * known[n]
        for low in range(0, inputs, ROWS):
            high = min(low + ROWS, inputs)
            for d in range(low, high):
                for block in range(blocks):
                    row, copy = weight[p, d, block * UNITS : (block + 1) * UNITS], rows[block, d - low]
                    for n in range(row.size):
                        copy[n] = row[n]
            for b in range(batch):
                end[b] = begin[b]
                while end[b] < first[b + 1] and column[end[b]] < high:
                    end[b] += 1
            for block in range(blocks):
                for b in range(batch):
                    at = (block * batch + b) * UNITS
                    sum_rows(
                        flat, flat, flat_rows, column, value, (at, at, block * ROWS - low, begin[b], end[b])
                    )
            begin[:] = end
        for b in range(batch):
            for block in range(blocks):
                to, known = out[p, b, block * UNITS : (block + 1) * UNITS], total[block, b]
                for n in range(to.size):
                    to[n] = known[n] * scale


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

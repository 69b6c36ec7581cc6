"""Kernels of `sums.py`: each number is a sum in a fixed order, each term added by `fma`."""

from __future__ import annotations

import numpy as np

from dfa_tune.learning.optimizers._kernels import Array, fma, kernel

LANES = 32  # sums at once over every 32nd unit, added to each other at the end


@kernel
def over_units(x: Array, weight: Array, out: Array) -> None:
    """out (P, B, 1): the sums over units of x (P or 1, B, H) * weight (P, 1, H)."""
    part = np.empty(LANES, np.float32)
    whole = x.shape[2] // LANES * LANES
    for p in range(out.shape[0]):
        theta = weight[p, 0]
        for b in range(out.shape[1]):
            row = x[p if x.shape[0] > 1 else 0, b]
            part[:] = 0
            for begin in range(0, whole, LANES):
                for i in range(LANES):
                    part[i] = fma(row[begin + i], theta[begin + i], part[i])
            for i in range(x.shape[2] - whole):
                part[i] = fma(row[whole + i], theta[whole + i], part[i])
            half = LANES // 2
            while half:
                for i in range(half):
                    part[i] += part[half + i]
                half //= 2
            out[p, b, 0] = part[0]


@kernel
def over_tuples(x: Array, factor: Array, out: Array) -> None:
    """out (P, 1, H): the sums over tuples of x (P or 1, B, H) * factor (P, B, 1)."""
    out[:] = 0
    for p in range(out.shape[0]):
        total = out[p, 0]
        for b in range(factor.shape[1]):
            row, f = x[p if x.shape[0] > 1 else 0, b], factor[p, b, 0]
            for n in range(total.size):
                total[n] = fma(f, row[n], total[n])


@kernel
def totals(x: Array, out: Array) -> None:
    """out (P, 1, H): the sums over tuples of x (P, B, H)."""
    out[:] = 0
    for p in range(out.shape[0]):
        total = out[p, 0]
        for b in range(x.shape[1]):
            for n in range(total.size):
                total[n] += x[p, b, n]

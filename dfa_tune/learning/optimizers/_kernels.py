"""The optimizers' steps on a CPU, each in one pass over memory, or two around a square root.

torch takes a step as five to ten operations, each of which reads and writes megabytes. A kernel here does to
each element what those operations do and rounds where they round, so that the bits are the same; `same_bits`
(`_base.py`) checks this before a kernel is used. So `fma` stands where torch multiplies and adds with one
rounding (`addcmul`, and `add` with an alpha). Square roots are left to torch where its own are not those of
IEEE 754 (`sqrt` is MKL's; `rsqrt` is 1 / sqrt, exact).

Each optimizer's formula stands here once, as a function of one element. `update_row` applies it to a row of
the parameter: `update` to all rows of a gradient, and `update_sparse` to a row of the first layer as soon as
it has that row's gradient. What an optimizer needs for a step is a tuple of its own type, so that a kernel is
compiled for that optimizer alone, at the first call on a machine, in a second. `update_sparse` stands here,
beside the formulas, because numba's cache on disk notices a change of the kernel's own file alone.

Arrays are in float32: parameter, gradient and state (P, R, N), `learning_rate` (P,). `decay` is the weight
decay, which is still to be added to the gradient, and `rest` is 1 - rho, rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float32]

_ONE = np.float32(1)


def rates(learning_rate: Tensor) -> Array:
    """(P, 1, 1) as (P,)."""
    return learning_rate.view(-1).numpy()


def _fma(_: Any, a: Any, b: Any, c: Any) -> Any:
    number = types.float32
    return number(number, number, number), lambda context, builder, signature, given: builder.fma(*given)


fma: Any = intrinsic(_fma)  # a b + c in one rounding


def kernel(function: Any) -> Any:
    """Compiled at the first call and kept on disk. A division by zero gives infinity, as in torch."""
    try:
        return numba.njit(function, error_model="numpy", nogil=True, cache=True)
    except RuntimeError:  # no folder for it can be written
        return numba.njit(function, error_model="numpy", nogil=True)


# -- the formulas, for one element ---------------------------------------------------------------


@kernel
def _decayed(gradient: np.float32, theta: np.float32, decay: np.float32) -> Any:
    return fma(decay, theta, gradient) if decay != 0 else gradient


@kernel
def _momentum(theta: np.float32, g: np.float32, v: np.float32, eta: np.float32, rho: np.float32) -> Any:
    """v <- rho v + eta g; theta <- theta - v."""
    v = fma(g, eta, v * rho)
    return theta - v, v


@kernel
def _nesterov(phi: np.float32, g: np.float32, v: np.float32, eta: np.float32, rho: np.float32) -> Any:
    """v <- rho v + eta g; phi <- phi - eta g - rho v."""
    move = g * eta
    v = v * rho + move
    return fma(-rho, v, phi - move), v


@kernel
def _divided(
    theta: np.float32, g: np.float32, square: np.float32, eta: np.float32, epsilon: np.float32
) -> Any:
    """theta <- theta - eta g / sqrt(square + epsilon)."""
    return fma(-g, _ONE / math.sqrt(square + epsilon) * eta, theta)


@kernel
def _running(mean: np.float32, g: np.float32, rho: np.float32, rest: np.float32) -> Any:
    """mean <- rho mean + (1 - rho) g^2."""
    return fma(rest * g, g, mean * rho)


@kernel
def _ratio(moved: np.float32, square: np.float32, epsilon: np.float32) -> Any:
    """The squared ratio of both means of Adadelta."""
    return (moved + epsilon) / (square + epsilon)


@kernel
def _moments(g: np.float32, m: np.float32, v: np.float32, betas: Any) -> Any:
    """Both running means of Adam; `betas`: beta1, 1 - beta1, beta2, 1 - beta2, each rounded once."""
    beta1, rest1, beta2, rest2 = betas
    return fma(rest1, g, m * beta1), fma(rest2 * g, g, v * beta2)


@kernel
def _adam(theta: np.float32, m: np.float32, root: np.float32, epsilon: np.float32, factor: np.float32) -> Any:
    """theta <- theta - factor m / (root + epsilon)."""
    return fma(-(m / (root + epsilon)), factor, theta)


# -- what each optimizer needs for a step, and its step on a row ---------------------------------


class SGD(NamedTuple):
    """theta <- theta - eta g."""

    learning_rate: Array


class Momentum(NamedTuple):
    """See `_momentum`."""

    velocity: Array
    learning_rate: Array
    rho: np.float32


class Nesterov(NamedTuple):
    """See `_nesterov`."""

    velocity: Array
    learning_rate: Array
    rho: np.float32


class Adagrad(NamedTuple):
    """G <- G + g^2; theta <- theta - eta g / sqrt(G + epsilon)."""

    square: Array
    learning_rate: Array
    epsilon: np.float32


class RMSProp(NamedTuple):
    """E <- rho E + (1 - rho) g^2; theta <- theta - eta g / sqrt(E + epsilon)."""

    square: Array
    learning_rate: Array
    rho: np.float32
    rest: np.float32
    epsilon: np.float32


class Adadelta(NamedTuple):
    """E[g^2] and E[step^2]; step = sqrt(`_ratio`) g; theta <- theta - eta step."""

    square: Array
    moved: Array
    learning_rate: Array
    rho: np.float32
    rest: np.float32
    epsilon: np.float32


class Adam(NamedTuple):
    """`_moments`, then `_adam` with the root of the second; factor (P,)."""

    first: Array
    second: Array
    betas: tuple[Any, Any, Any, Any]
    epsilon: np.float32
    factor: Array


def _sgd_row(formula: Any, p: int, row: int, theta: Array, g: Array, decay: np.float32) -> None:
    eta = formula.learning_rate[p]
    for i in range(theta.size):
        theta[i] = fma(-_decayed(g[i], theta[i], decay), eta, theta[i])


def _momentum_row(formula: Any, p: int, row: int, theta: Array, g: Array, decay: np.float32) -> None:
    v, eta = formula.velocity[p, row], formula.learning_rate[p]
    for i in range(theta.size):
        theta[i], v[i] = _momentum(theta[i], _decayed(g[i], theta[i], decay), v[i], eta, formula.rho)


def _nesterov_row(formula: Any, p: int, row: int, theta: Array, g: Array, decay: np.float32) -> None:
    v, eta = formula.velocity[p, row], formula.learning_rate[p]
    for i in range(theta.size):
        theta[i], v[i] = _nesterov(theta[i], _decayed(g[i], theta[i], decay), v[i], eta, formula.rho)


def _adagrad_row(formula: Any, p: int, row: int, theta: Array, g: Array, decay: np.float32) -> None:
    square, eta = formula.square[p, row], formula.learning_rate[p]
    for i in range(theta.size):
        total = _decayed(g[i], theta[i], decay)
        square[i] = fma(total, total, square[i])
        theta[i] = _divided(theta[i], total, square[i], eta, formula.epsilon)


def _rmsprop_row(formula: Any, p: int, row: int, theta: Array, g: Array, decay: np.float32) -> None:
    square, eta = formula.square[p, row], formula.learning_rate[p]
    for i in range(theta.size):
        total = _decayed(g[i], theta[i], decay)
        square[i] = _running(square[i], total, formula.rho, formula.rest)
        theta[i] = _divided(theta[i], total, square[i], eta, formula.epsilon)


def _adadelta_row(formula: Any, p: int, row: int, theta: Array, g: Array, decay: np.float32) -> None:
    square, moved, eta = formula.square[p, row], formula.moved[p, row], formula.learning_rate[p]
    for i in range(theta.size):
        total = _decayed(g[i], theta[i], decay)
        square[i] = _running(square[i], total, formula.rho, formula.rest)
        step = math.sqrt(_ratio(moved[i], square[i], formula.epsilon)) * total
        moved[i] = _running(moved[i], step, formula.rho, formula.rest)
        theta[i] = fma(-step, eta, theta[i])


def _adam_row(formula: Any, p: int, row: int, theta: Array, g: Array, decay: np.float32) -> None:
    m, v, factor = formula.first[p, row], formula.second[p, row], formula.factor[p]
    for i in range(theta.size):
        m[i], v[i] = _moments(_decayed(g[i], theta[i], decay), m[i], v[i], formula.betas)
        theta[i] = _adam(theta[i], m[i], math.sqrt(v[i]), formula.epsilon, factor)


_ROWS: dict[type[Any], Callable[..., None]] = {
    SGD: _sgd_row,
    Momentum: _momentum_row,
    Nesterov: _nesterov_row,
    Adagrad: _adagrad_row,
    RMSProp: _rmsprop_row,
    Adadelta: _adadelta_row,
    Adam: _adam_row,
}


def update_row(formula: Any, p: int, row: int, theta: Array, g: Array, decay: np.float32) -> None:
    """One step of row `row` of member p, `theta` (N,), with its gradient g (N,) plus decay * theta.

    `formula`: the optimizer's tuple, which holds the state of all rows.
    """
    raise NotImplementedError  # in compiled code only


@overload(update_row, strict=False)  # the annotations of the two need not be the same
def _update_row(formula: Any, p: Any, row: Any, theta: Any, g: Any, decay: Any) -> Any:
    return _ROWS[formula.instance_class]


# -- rows of a sparse product ----------------------------------------------------------------------


@kernel
def accumulate(out: Array, rows: Array, index: Any, value: Array, begin: int, end: int) -> None:
    """out (N,) += value[i] * rows[index[i]] for begin <= i < end, in this order, each with one rounding.

    Four rows at a time, so that `out` is loaded and stored a quarter as often.
    """
    i = begin
    while i + 4 <= end:
        row0, row1, row2, row3 = rows[index[i]], rows[index[i + 1]], rows[index[i + 2]], rows[index[i + 3]]
        v0, v1, v2, v3 = value[i], value[i + 1], value[i + 2], value[i + 3]
        for n in range(out.size):
            out[n] = fma(v3, row3[n], fma(v2, row2[n], fma(v1, row1[n], fma(v0, row0[n], out[n]))))
        i += 4
    while i < end:
        row0, v0 = rows[index[i]], value[i]
        for n in range(out.size):
            out[n] = fma(v0, row0[n], out[n])
        i += 1


UNITS = 64  # whose sums fit into a processor's registers
HELD = 28_672  # numbers of the gradient that stay in a core's cache until the step is taken (112 KiB)


def _sum_rows(_: Any, out: Any, known: Any, rows: Any, index: Any, value: Any, place: Any) -> Any:
    integer, number = ir.IntType(64), ir.FloatType()
    vector, zeros = ir.VectorType(number, UNITS), ir.Constant(ir.VectorType(ir.IntType(32), UNITS), None)
    undefined = ir.Constant(vector, ir.Undefined)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        to, start, terms, indices, factors = (
            context.make_array(signature.args[k])(context, builder, given[k]).data for k in range(5)
        )
        n, m, row, begin, end = cgutils.unpack_tuple(builder, given[5], 5)

        def units(array: Any, place: Any) -> Any:
            return builder.bitcast(builder.gep(array, [place]), vector.as_pointer())

        multiply_add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{UNITS}f32"
        )
        first, before = builder.load(units(start, m), align=4), builder.block
        test, body, after = (builder.append_basic_block(name) for name in ("test", "body", "after"))
        builder.branch(test)
        builder.position_at_end(test)
        i, total = builder.phi(integer), builder.phi(vector)
        builder.cbranch(builder.icmp_signed("<", i, end), body, after)
        builder.position_at_end(body)
        at = builder.add(row, builder.zext(builder.load(builder.gep(indices, [i])), integer))
        term = builder.load(units(terms, builder.mul(at, integer(UNITS))), align=4)
        one = builder.insert_element(undefined, builder.load(builder.gep(factors, [i])), ir.IntType(32)(0))
        factor = builder.shuffle_vector(one, undefined, zeros)
        for phi, at_first, then in (
            (i, begin, builder.add(i, integer(1))),
            (total, first, builder.call(multiply_add, [factor, term, total])),
        ):
            phi.add_incoming(at_first, before)
            phi.add_incoming(then, body)
        builder.branch(test)
        builder.position_at_end(after)
        builder.store(total, units(to, n), align=4)
        return context.get_dummy_value()

    return types.void(out, known, rows, index, value, types.UniTuple(types.int64, 5)), generate


# For u < UNITS, with n, m, row, begin, end = place: out[n + u] = known[m + u] + the sum of
# value[i] * rows[row + index[i], u] over begin <= i < end, in this order, each with one rounding. Arrays are
# flat, `index` unsigned. Written for LLVM, so that the sums stay in registers
sum_rows: Any = intrinsic(_sum_rows)


@kernel
def update_sparse(
    formula: Any,
    members: Any,
    first: Any,
    tuples: Any,
    value: Array,
    mean: np.float32,
    delta: Array,
    weight: Array,
    decay: np.float32,
    sums: Array,
    gradient: Array,
) -> None:
    """A step of `members`, whose gradient (x - mean)^T delta never is in memory as a whole.

    x by columns: input d is value[i] in the tuples[i] with first[d] <= i < first[d + 1], else 0. `delta`
    (P, blocks, B, UNITS): by blocks of units, of which one fits into the innermost cache, zero beyond N;
    `weight` (P, D, N); `sums` (P, N) becomes the new weights' sum over inputs, in their order. `gradient`
    (rows, blocks * UNITS) is scratch memory for so many rows at once.
    """
    blocks, batch = delta.shape[1], delta.shape[2]
    held, width = gradient.shape
    rest, flat = np.empty(width, np.float32), gradient.reshape(-1)
    for p in members:
        rest[:] = 0
        for block in range(blocks):
            part = rest[block * UNITS : (block + 1) * UNITS]
            for b in range(batch):
                for n in range(UNITS):
                    part[n] += delta[p, block, b, n]
        for n in range(width):
            rest[n] *= -mean
        rows, total = delta[p].reshape(-1), sums[p]
        total[:] = 0
        for low in range(0, weight.shape[1], held):
            high = min(low + held, weight.shape[1])
            for block in range(blocks):
                n = block * UNITS
                for d in range(low, high):
                    place = (d - low) * width + n, n, block * batch, first[d], first[d + 1]
                    sum_rows(flat, rest, rows, tuples, value, place)
            for d in range(low, high):
                theta = weight[p, d]
                update_row(formula, p, d, theta, gradient[d - low], decay)
                for n in range(total.size):
                    total[n] += theta[n]


# -- whole tensors -------------------------------------------------------------------------------


@kernel
def update(formula: Any, parameter: Array, gradient: Array, decay: np.float32) -> None:
    """A step of all rows."""
    for p in range(parameter.shape[0]):
        for row in range(parameter.shape[1]):
            update_row(formula, p, row, parameter[p, row], gradient[p, row], decay)


@kernel
def adadelta_ratio(formula: Any, parameter: Array, gradient: Array, ratio: Array, decay: np.float32) -> None:
    """Adadelta up to its square root: E[g^2], and what is under the root; the gradient gets its decay."""
    for p in range(parameter.shape[0]):
        for row in range(parameter.shape[1]):
            theta, g, r = parameter[p, row], gradient[p, row], ratio[p, row]
            square, moved = formula.square[p, row], formula.moved[p, row]
            for i in range(theta.size):
                g[i] = _decayed(g[i], theta[i], decay)
                square[i] = _running(square[i], g[i], formula.rho, formula.rest)
                r[i] = _ratio(moved[i], square[i], formula.epsilon)


@kernel
def adadelta_step(formula: Any, parameter: Array, gradient: Array, root: Array) -> None:
    """With the square root: E[step^2] and theta."""
    for p in range(parameter.shape[0]):
        eta = formula.learning_rate[p]
        for row in range(parameter.shape[1]):
            theta, g, r, moved = parameter[p, row], gradient[p, row], root[p, row], formula.moved[p, row]
            for i in range(theta.size):
                step = r[i] * g[i]
                moved[i] = _running(moved[i], step, formula.rho, formula.rest)
                theta[i] = fma(-step, eta, theta[i])


@kernel
def adam_moments(formula: Any, parameter: Array, gradient: Array, decay: np.float32) -> None:
    """Adam up to its square root."""
    for p in range(parameter.shape[0]):
        for row in range(parameter.shape[1]):
            theta, g = parameter[p, row], gradient[p, row]
            m, v = formula.first[p, row], formula.second[p, row]
            for i in range(theta.size):
                m[i], v[i] = _moments(_decayed(g[i], theta[i], decay), m[i], v[i], formula.betas)


@kernel
def adam_step(formula: Any, parameter: Array, root: Array) -> None:
    """With the square root of the second moments: theta."""
    for p in range(parameter.shape[0]):
        factor = formula.factor[p]
        for row in range(parameter.shape[1]):
            theta, m, r = parameter[p, row], formula.first[p, row], root[p, row]
            for i in range(theta.size):
                theta[i] = _adam(theta[i], m[i], r[i], formula.epsilon, factor)

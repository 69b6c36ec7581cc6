"""The optimizers' steps on a CPU, each in one pass over memory, or two around a square root.

torch takes a step as five to ten operations, each of which reads and writes megabytes. A kernel here does to
each element what those operations do and rounds where they round, so that the bits are the same; `same_bits`
(`_base.py`) checks this before a kernel is used. So `fma` stands where torch multiplies and adds with one
rounding (`addcmul`, and `add` with an alpha). Square roots are left to torch where its own are not those of
IEEE 754 (`sqrt` is MKL's; `rsqrt` is 1 / sqrt, exact).

All arrays are (P, N) in float32, `learning_rate` is (P,). `decay` is the weight decay, which is still to be
added to the gradient, and `rest` is 1 - rho (of Adam: 1 - beta), rounded once. numba compiles a kernel at its
first call on a machine, in a second.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float32]

_ONE = np.float32(1)


def arrays(*tensors: Tensor) -> list[Array]:
    """The tensors' own memory as (P, N)."""
    return [tensor.view(tensor.shape[0], -1).numpy() for tensor in tensors]


def rates(learning_rate: Tensor) -> Array:
    """(P, 1, 1) as (P,)."""
    return learning_rate.view(-1).numpy()


def _fma(_: Any, a: Any, b: Any, c: Any) -> Any:
    number = types.float32
    return number(number, number, number), lambda context, builder, signature, given: builder.fma(*given)


fma: Any = intrinsic(_fma)  # a b + c in one rounding


def _kernel(function: Any) -> Any:
    """Compiled at the first call and kept on disk. A division by zero gives infinity, as in torch."""
    try:
        return numba.njit(function, error_model="numpy", nogil=True, cache=True)
    except RuntimeError:  # no folder for it can be written
        return numba.njit(function, error_model="numpy", nogil=True)


@_kernel
def _decayed(gradient: np.float32, theta: np.float32, decay: np.float32) -> Any:
    return fma(decay, theta, gradient) if decay != 0 else gradient


@_kernel
def momentum(
    parameter: Array,
    gradient: Array,
    velocity: Array,
    learning_rate: Array,
    decay: np.float32,
    rho: np.float32,
) -> None:
    """v <- rho v + eta g; theta <- theta - v."""
    for p in range(parameter.shape[0]):
        theta, g, v, eta = parameter[p], gradient[p], velocity[p], learning_rate[p]
        for i in range(theta.size):
            total = _decayed(g[i], theta[i], decay)
            v[i] = fma(total, eta, v[i] * rho)
            theta[i] -= v[i]


@_kernel
def nesterov(
    parameter: Array,
    gradient: Array,
    velocity: Array,
    learning_rate: Array,
    decay: np.float32,
    rho: np.float32,
) -> None:
    """v <- rho v + eta g; phi <- phi - eta g - rho v."""
    for p in range(parameter.shape[0]):
        phi, g, v, eta = parameter[p], gradient[p], velocity[p], learning_rate[p]
        for i in range(phi.size):
            total = _decayed(g[i], phi[i], decay)
            move = total * eta
            v[i] = v[i] * rho + move
            phi[i] = fma(-rho, v[i], phi[i] - move)


@_kernel
def adagrad(
    parameter: Array,
    gradient: Array,
    square: Array,
    learning_rate: Array,
    decay: np.float32,
    epsilon: np.float32,
) -> None:
    """G <- G + g^2; theta <- theta - eta g / sqrt(G + epsilon)."""
    for p in range(parameter.shape[0]):
        theta, g, sum_, eta = parameter[p], gradient[p], square[p], learning_rate[p]
        for i in range(theta.size):
            total = _decayed(g[i], theta[i], decay)
            sum_[i] = fma(total, total, sum_[i])
            theta[i] = fma(-total, _ONE / math.sqrt(sum_[i] + epsilon) * eta, theta[i])


@_kernel
def rmsprop(
    parameter: Array,
    gradient: Array,
    square: Array,
    learning_rate: Array,
    decay: np.float32,
    rho: np.float32,
    rest: np.float32,
    epsilon: np.float32,
) -> None:
    """E <- rho E + (1 - rho) g^2; theta <- theta - eta g / sqrt(E + epsilon)."""
    for p in range(parameter.shape[0]):
        theta, g, mean, eta = parameter[p], gradient[p], square[p], learning_rate[p]
        for i in range(theta.size):
            total = _decayed(g[i], theta[i], decay)
            mean[i] = fma(rest * total, total, mean[i] * rho)
            theta[i] = fma(-total, _ONE / math.sqrt(mean[i] + epsilon) * eta, theta[i])


@_kernel
def adadelta_ratio(
    parameter: Array,
    gradient: Array,
    square: Array,
    moved: Array,
    ratio: Array,
    decay: np.float32,
    rho: np.float32,
    rest: np.float32,
    epsilon: np.float32,
) -> None:
    """E[g^2], and the squared ratio of both means into `ratio`; the gradient gets its decay."""
    for p in range(parameter.shape[0]):
        theta, g, mean, means, r = parameter[p], gradient[p], square[p], moved[p], ratio[p]
        for i in range(theta.size):
            total = _decayed(g[i], theta[i], decay)
            g[i] = total
            mean[i] = fma(rest * total, total, mean[i] * rho)
            r[i] = (means[i] + epsilon) / (mean[i] + epsilon)


@_kernel
def adadelta_step(
    parameter: Array,
    gradient: Array,
    moved: Array,
    root: Array,
    learning_rate: Array,
    rho: np.float32,
    rest: np.float32,
) -> None:
    """With the ratio's square root: E[step^2] and theta."""
    for p in range(parameter.shape[0]):
        theta, g, means, r, eta = parameter[p], gradient[p], moved[p], root[p], learning_rate[p]
        for i in range(theta.size):
            step = r[i] * g[i]
            means[i] = fma(rest * step, step, means[i] * rho)
            theta[i] = fma(-step, eta, theta[i])


@_kernel
def adam_moments(
    parameter: Array,
    gradient: Array,
    first: Array,
    second: Array,
    beta1: np.float32,
    rest1: np.float32,
    beta2: np.float32,
    rest2: np.float32,
    decay: np.float32,
) -> None:
    """Both running means."""
    for p in range(parameter.shape[0]):
        theta, g, m, v = parameter[p], gradient[p], first[p], second[p]
        for i in range(theta.size):
            total = _decayed(g[i], theta[i], decay)
            m[i] = fma(rest1, total, m[i] * beta1)
            v[i] = fma(rest2 * total, total, v[i] * beta2)


@_kernel
def adam_step(parameter: Array, first: Array, root: Array, epsilon: np.float32, factor: Array) -> None:
    """theta - m / ((root + epsilon) / factor), factor (P,)."""
    for p in range(parameter.shape[0]):
        theta, m, r, scale = parameter[p], first[p], root[p], factor[p]
        for i in range(theta.size):
            theta[i] -= m[i] / ((r[i] + epsilon) / scale)

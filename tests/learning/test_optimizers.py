"""Each optimizer over 50 steps: against torch.optim, or the thesis' section 1.4 where PyTorch differs.

PyTorch adds Adagrad's and RMSProp's epsilon outside the square root, the thesis inside; Adadelta's is
inside and Adam's outside in both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.learning.matmul import GradientProduct
from dfa_tune.registry import OPTIMIZERS

Array = NDArray[np.float64]
STEPS, EPSILON, RHO = 50, 1e-8, 0.9
DEFAULTS = {"rho": RHO, "beta1": 0.9, "beta2": 0.999, "epsilon": EPSILON}
OTHERS = {"rho": 0.37, "beta1": 0.001, "beta2": 0.5, "epsilon": 1e-3}  # of each option another value
RATES = (0.3, 0.01, 1.0)  # one a member
SHAPE = (3, 4, 5)


def start() -> Array:
    return np.random.default_rng(0).normal(size=SHAPE)


def gradient(theta: Array, step: int, size: float = 1.0) -> Array:
    """Of a bowl, with noise of this step's own."""
    noise = np.random.default_rng((1, step)).normal(size=SHAPE)
    return size * (np.linspace(0.1, 1, theta.size).reshape(SHAPE) * theta + noise)


def ours(name: str, decay: float, size: float = 1.0, **options: float) -> tuple[Array, Array]:
    """After 50 steps: what is stored, and what is tested."""
    parameter = torch.from_numpy(start())
    optimizer = OPTIMIZERS[name](parameter, **options)
    rates = torch.tensor(RATES, dtype=torch.float64).view(-1, 1, 1)
    for step in range(STEPS):
        g = gradient(parameter.numpy(), step, size) + decay * parameter.numpy()
        optimizer.step(torch.from_numpy(g), rates, step + 1)
    return parameter.numpy(), optimizer.evaluated().numpy()


TORCH: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda p, **given: torch.optim.SGD(p, momentum=RHO, **given),
    "nesterov": lambda p, **given: torch.optim.SGD(p, momentum=RHO, nesterov=True, **given),
    "adadelta": lambda p, **given: torch.optim.Adadelta(p, rho=RHO, eps=EPSILON, **given),
    "adam": lambda p, **given: torch.optim.Adam(p, betas=(0.9, 0.999), eps=EPSILON, **given),
    "adagrad": lambda p, **given: torch.optim.Adagrad(p, eps=EPSILON, **given),
    "rmsprop": lambda p, **given: torch.optim.RMSprop(p, alpha=RHO, eps=EPSILON, **given),
}


def torchs(name: str, decay: float) -> Array:
    """PyTorch's own, one optimizer a member since its learning rate is a number."""
    members = [torch.nn.Parameter(torch.from_numpy(part.copy())) for part in start()]
    optimizers = [
        TORCH[name]([parameter], lr=rate, weight_decay=decay)
        for parameter, rate in zip(members, RATES, strict=True)
    ]
    for step in range(STEPS):
        theta = torch.stack([parameter.detach() for parameter in members])
        for parameter, g in zip(members, torch.from_numpy(gradient(theta.numpy(), step)), strict=True):
            parameter.grad = g.clone()
        for optimizer in optimizers:
            optimizer.step()
    return torch.stack([parameter.detach() for parameter in members]).numpy()


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adadelta", "adam"])
def test_an_optimizer_is_that_of_pytorch(name: str, decay: float) -> None:
    np.testing.assert_allclose(ours(name, decay)[0], torchs(name, decay), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["adagrad", "rmsprop"])
def test_epsilons_place_does_not_matter_where_gradients_are_large(name: str) -> None:
    np.testing.assert_allclose(ours(name, 0.05)[0], torchs(name, 0.05), rtol=1e-5, atol=1e-5)


# -- the thesis' formulas -----------------------------------------------------------------------


def formula(
    name: str, decay: float, size: float, rho: float, beta1: float, beta2: float, epsilon: float
) -> Array:
    """Thesis section 1.4, theta after 50 steps."""
    theta, eta = start(), np.array(RATES).reshape(-1, 1, 1)
    v, m, square, moved = (np.zeros(SHAPE) for _ in range(4))
    for t in range(1, STEPS + 1):
        at = theta - rho * v if name == "nesterov" else theta
        g = gradient(at, t - 1, size) + decay * at
        if name == "sgd":
            theta = theta - eta * g
        elif name in ("momentum", "nesterov"):
            v = rho * v + eta * g
            theta = theta - v
        elif name == "adagrad":
            square = square + g**2
            theta = theta - eta / np.sqrt(square + epsilon) * g
        elif name == "rmsprop":
            square = rho * square + (1 - rho) * g**2
            theta = theta - eta / np.sqrt(square + epsilon) * g
        elif name == "adadelta":
            square = rho * square + (1 - rho) * g**2
            step = np.sqrt(moved + epsilon) / np.sqrt(square + epsilon) * g
            moved = rho * moved + (1 - rho) * step**2
            theta = theta - eta * step
        elif name == "adam":
            m = beta1 * m + (1 - beta1) * g
            square = beta2 * square + (1 - beta2) * g**2
            theta = theta - eta / (np.sqrt(square / (1 - beta2**t)) + epsilon) * (m / (1 - beta1**t))
    return theta


@pytest.mark.parametrize("size", [1.0, 1e-4])  # 1e-4: epsilon's place matters
@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_what_is_tested_is_theta_of_the_thesis_formula(name: str, decay: float, size: float) -> None:
    wanted = formula(name, decay, size, **DEFAULTS)
    np.testing.assert_allclose(ours(name, decay, size)[1], wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("name", "option"),
    [(name, option) for name in OPTIMIZERS.names() for option in OPTIMIZERS[name].defaults],
)
def test_an_option_is_the_letter_of_the_formula_that_it_is_named_after(name: str, option: str) -> None:
    tested = ours(name, 0.05, 1e-2, **{option: OTHERS[option]})[1]
    wanted = formula(name, 0.05, 1e-2, **DEFAULTS | {option: OTHERS[option]})
    np.testing.assert_allclose(tested, wanted, rtol=1e-9, atol=1e-11)
    assert not np.allclose(tested, formula(name, 0.05, 1e-2, **DEFAULTS), rtol=1e-3)


def test_only_nesterovs_tested_parameters_are_not_those_that_are_stored() -> None:
    for name in OPTIMIZERS.names():
        stored, tested = ours(name, 0.0)
        assert np.array_equal(stored, tested) == (name != "nesterov"), name


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_a_gradient_of_zero_moves_nothing_at_first(name: str) -> None:
    parameter = torch.from_numpy(start())
    OPTIMIZERS[name](parameter).step(torch.zeros(SHAPE, dtype=torch.float64), torch.ones(3, 1, 1), 1)
    np.testing.assert_array_equal(parameter.numpy(), start())


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_a_step_with_the_product_is_a_step_with_its_gradient(name: str, decay: float) -> None:
    rng = np.random.default_rng(2)
    x, delta = torch.from_numpy(rng.normal(size=(3, 7, 4))), torch.from_numpy(rng.normal(size=(3, 7, 5)))
    rates = torch.tensor(RATES, dtype=torch.float64).view(-1, 1, 1)
    found, wanted = torch.from_numpy(start()), torch.from_numpy(start())
    fused, plain = OPTIMIZERS[name](found), OPTIMIZERS[name](wanted)
    for t in (1, 2, 3):
        gradient = GradientProduct(x, delta, 0.5, torch.empty_like(found))
        fused.step_product(gradient, rates, decay, t)
        product: Tensor = 0.5 * x.transpose(1, 2) @ delta
        plain.step(product + decay * wanted, rates, t)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)

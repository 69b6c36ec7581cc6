"""Activations and the loss against PyTorch's own and autograd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dfa_tune.learning.losses import cross_entropy, probability
from dfa_tune.registry import ACTIVATIONS

VALUES = torch.linspace(-30, 30, 601, dtype=torch.float64)  # 0 among them
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "linear": lambda a: a * 1,
    "cosine": torch.cos,
}


@pytest.mark.parametrize("name", ACTIVATIONS.names())
def test_a_derivative_is_that_of_autograd(name: str) -> None:
    a = VALUES.clone().requires_grad_()
    expected = FUNCTIONS[name](a)
    (slope,) = torch.autograd.grad(expected.sum(), a)
    activation = ACTIVATIONS[name]
    h = activation.value(VALUES)
    torch.testing.assert_close(h, expected.detach())
    found = torch.ones_like(h) if activation.derivative is None else activation.derivative(VALUES, h).double()
    torch.testing.assert_close(found, slope, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_and_its_error_are_those_of_pytorch(dtype: torch.dtype, label: float) -> None:
    logits = torch.cat([VALUES, torch.tensor([-1e4, 1e4], dtype=torch.float64)]).to(dtype).requires_grad_()
    labels = torch.full_like(logits, label)
    expected = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    (slope,) = torch.autograd.grad(expected.sum(), logits)
    found = cross_entropy(logits.detach(), labels)
    torch.testing.assert_close(found, expected.detach())
    torch.testing.assert_close(probability(logits.detach()) - labels, slope, rtol=1e-5, atol=1e-7)


def test_an_infinite_logit_on_the_wrong_side_has_no_finite_loss() -> None:
    infinite = torch.tensor([float("inf"), float("-inf"), float("nan")])
    assert not cross_entropy(infinite, torch.tensor([0.0, 1.0, 1.0])).isfinite().any()

"""Activations and the loss against PyTorch's own and autograd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dfa_tune.learning.losses import LOSSES, correct, one_hot
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
    loss, z, y = LOSSES["binary_cross_entropy"], logits.detach().view(1, -1, 1), labels.view(1, -1, 1)
    torch.testing.assert_close(loss.value(z, y).flatten(), expected.detach())
    torch.testing.assert_close(loss.error(z, y).flatten(), slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("name", list(LOSSES))
def test_a_loss_of_several_outputs_and_its_error_are_those_of_pytorch(
    name: str, classes: int, dtype: torch.dtype
) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 50, classes, generator=rng, dtype=torch.float64) * torch.logspace(-3, 3, 50).view(
        -1, 1
    )
    labels = torch.randint(classes, (2, 50), generator=rng)
    logits = logits.to(dtype).requires_grad_()
    if name == "cross_entropy":
        expected = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
    else:
        one_hot_labels = F.one_hot(labels, classes).to(dtype)
        expected = F.binary_cross_entropy_with_logits(logits, one_hot_labels, reduction="none").sum(2)
    (slope,) = torch.autograd.grad(expected.sum(), logits)
    loss, targets = LOSSES[name], one_hot(labels.to(dtype), classes)
    torch.testing.assert_close(loss.value(logits.detach(), targets), expected.detach())
    torch.testing.assert_close(loss.error(logits.detach(), targets), slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_loss_has_the_same_bits_wherever_a_tuple_lies(name: str) -> None:
    """Or a packed trial would not be the trial alone."""
    rng, loss = torch.Generator().manual_seed(1), LOSSES[name]
    for classes in (2, 3, 7, 8, 10, 16, 17, 100):
        logits = 5 * torch.randn(3, 41, classes, generator=rng)
        targets = one_hot(torch.randint(classes, (3, 41), generator=rng).float(), classes)
        value, error = loss.value(logits, targets), loss.error(logits, targets)
        for member, tuples in ((0, slice(0, 1)), (1, slice(5, 38)), (2, slice(40, 41))):
            z, y = logits[member : member + 1, tuples].clone(), targets[member : member + 1, tuples].clone()
            assert torch.equal(loss.value(z, y)[0], value[member, tuples]), classes
            assert torch.equal(loss.error(z, y)[0], error[member, tuples]), classes


def test_the_answer_is_the_largest_logit_or_the_sign_of_a_single_one() -> None:
    logits = torch.tensor([[[0.1, -1.0, 3.0], [2.0, 2.5, -1.0]]])
    assert correct(logits, torch.tensor([[2.0, 0.0]])).tolist() == [[True, False]]
    single = torch.tensor([[[0.1], [-0.1], [2.0]]])
    assert correct(single, torch.tensor([[1.0, 1.0, 0.0]])).tolist() == [[True, False, False]]


def test_an_infinite_logit_on_the_wrong_side_has_no_finite_loss() -> None:
    infinite = torch.tensor([float("inf"), float("-inf"), float("nan")]).view(1, 3, 1)
    value = LOSSES["binary_cross_entropy"].value(infinite, torch.tensor([0.0, 1.0, 1.0]).view(1, 3, 1))
    assert not value.isfinite().any()


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_logit_that_is_not_finite_among_several_has_no_finite_loss(name: str) -> None:
    for wrong in (float("inf"), float("nan")):
        logits = torch.tensor([[[0.0, wrong, 1.0]]])
        assert not LOSSES[name].value(logits, torch.tensor([[[1.0, 0.0, 0.0]]])).isfinite().any()

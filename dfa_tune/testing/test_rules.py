"""What every rule must keep to."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dfa_tune.learning.backward import Context, hidden_deltas
from dfa_tune.learning.losses import LOSSES, one_hot
from dfa_tune.registry import ACTIVATIONS, RULES
from dfa_tune.testing.one_step import SCALE, TakenStep, take_step
from dfa_tune.testing.training import assert_packed_equals_alone, assert_resumable

SHAPES = [((5,), 1), ((5, 4), 1), ((5, 4, 3), 3)]  # widths of the hidden layers, and outputs


def step_of(rule: str, hidden: tuple[int, ...], outputs: int) -> TakenStep:
    """A step with these layers; skipped where the rule is defined for one hidden layer only."""
    if RULES[rule].single_hidden and len(hidden) > 1:
        pytest.skip("defined for one hidden layer")
    loss = "binary_cross_entropy" if outputs == 1 else "cross_entropy"
    return take_step(rule, hidden=hidden, outputs=outputs, loss=loss, bias=True)


def context_of(step: TakenStep) -> Context:
    """The context of the batch before the step."""
    parameters = step.network.parameters()
    for name, tensor in step.before.items():
        parameters[name].copy_(tensor)
    done = step.network.forward(step.x)
    return Context.of(step.network, done, one_hot(step.labels, done.logits.shape[2]), LOSSES[step.loss])


@pytest.mark.parametrize(("hidden", "outputs"), SHAPES)
def test_its_deltas_are_a_finite_number_for_each_unit(
    rule: str, hidden: tuple[int, ...], outputs: int
) -> None:
    step = step_of(rule, hidden, outputs)
    if not RULES[rule].trains_hidden:
        pytest.skip("its hidden layers stay as they are")
    deltas = hidden_deltas(context_of(step))
    assert [tuple(delta.shape) for delta in deltas] == [(2, 9, width) for width in hidden]
    assert all(delta.isfinite().all() for delta in deltas)


@pytest.mark.parametrize(("hidden", "outputs"), SHAPES)
def test_it_changes_no_tensor_that_it_is_given(rule: str, hidden: tuple[int, ...], outputs: int) -> None:
    context = context_of(step_of(rule, hidden, outputs))
    if not RULES[rule].trains_hidden:
        pytest.skip("its hidden layers stay as they are")
    given = [context.error, context.targets, context.done.logits, *context.done.outputs]
    given += [slope for slope in context.done.slopes if slope is not None]
    given += [*context.network.parameters().values(), *context.network.frozen().values()]
    before = [tensor.clone() for tensor in given]
    hidden_deltas(context)
    for then, now in zip(before, given, strict=True):
        assert torch.equal(then, now)


@pytest.mark.parametrize(("hidden", "outputs"), SHAPES)
def test_a_step_is_the_rules_formula_with_the_slopes_and_the_error_of_autograd(
    rule: str, hidden: tuple[int, ...], outputs: int
) -> None:
    """delta_l = (s M_l^T) * f'(a_l), s the delta above, or the output's signal where the rule is direct."""
    made = RULES[rule]
    if made.deltas is not None or made.gate is not None or not made.trains_hidden:
        pytest.skip("a formula of its own, which its own test has to compare")
    step = step_of(rule, hidden, outputs)
    found, context = step.gradients(1.0), context_of(step)
    signals = context.error if made.signal is None else made.signal(context)
    for member in (0, 1):
        inputs, slopes, error = differentiated(step, member)
        signal = error if made.signal is None else signals[member if len(signals) > 1 else 0]
        above = signal
        for layer in reversed(range(len(hidden))):
            weight = context.weight_above(layer)
            feedback = step.network.feedback[layer]
            matrix = weight if made.transport is None else made.transport(weight, feedback)
            assert matrix.shape[:2] == (2, hidden[layer]), "M has the shape of the weights above"
            above = ((signal if made.direct else above) @ matrix[member].T) * slopes[layer]
            gradient = inputs[layer].T @ above
            torch.testing.assert_close(
                found[f"hidden.{layer}.weight"][member], gradient, rtol=1e-9, atol=1e-12
            )


def differentiated(step: TakenStep, member: int) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """What each layer saw, (B, fan_in), its slopes (B, H) and the error at the logits (B, C), by autograd."""
    network = step.network
    rule = network.rule
    value = ACTIVATIONS[rule.activation or "relu"].value
    h, inputs, slopes = step.x[member] * SCALE, [], []
    for layer in range(len(network.layers)):
        inputs.append(h)
        a = h @ step.before[f"hidden.{layer}.weight"][member] + step.before[f"hidden.{layer}.bias"][member]
        a.requires_grad_()
        out = value(a)
        (slope,) = torch.autograd.grad(out.sum(), a)
        slopes.append(slope)
        h = out.detach()
    logits = h @ step.before["output.weight"][member].T + step.before["output.bias"][member]
    logits.requires_grad_()
    labels = step.labels[member]
    if step.loss == "cross_entropy":
        loss = F.cross_entropy(logits, labels.long())
    else:
        loss = F.binary_cross_entropy_with_logits(logits[:, 0], labels)
    (error,) = torch.autograd.grad(loss, logits)
    return inputs, slopes, error


@pytest.mark.parametrize("trained_by", ["sgd", "rmsprop"])
def test_a_member_of_a_pack_is_the_trial_alone_bit_for_bit(rule: str, trained_by: str) -> None:
    assert_packed_equals_alone(rule, optimizer=trained_by)


def test_a_training_that_was_interrupted_has_the_numbers_of_one_that_was_not(rule: str) -> None:
    assert_resumable(rule)

"""What every feedback initialisation, activation and problem must keep to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.validation import check_items, check_sample, check_scale
from dfa_tune.registry import ACTIVATIONS, FEEDBACK, PROBLEMS
from dfa_tune.testing.training import assert_packed_equals_alone

# -- feedback ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 5), (5, 1), (1, 3)])
def test_feedback_is_a_finite_matrix_of_the_shape_asked_for(feedback: str, shape: tuple[int, int]) -> None:
    matrix = np.asarray(FEEDBACK[feedback](np.random.default_rng(0), shape))
    assert matrix.shape == shape
    assert np.isfinite(matrix).all()


def test_feedback_is_drawn_from_the_generator_alone(feedback: str) -> None:
    first, again = (FEEDBACK[feedback](np.random.default_rng(3), (7, 5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


# -- activations ---------------------------------------------------------------------------------

# Off the points where usual activations have a corner
VALUES = torch.linspace(-20, 20, 400, dtype=torch.float64)


def test_a_derivative_is_that_of_autograd(activation: str) -> None:
    made = ACTIVATIONS[activation]
    a = VALUES.clone().requires_grad_()
    h = made.value(a)
    assert h.shape == a.shape
    (slope,) = torch.autograd.grad(h.sum(), a)
    found = torch.ones_like(VALUES) if made.derivative is None else made.derivative(VALUES, h.detach())
    torch.testing.assert_close(found.double(), slope, rtol=1e-8, atol=1e-10)


def test_a_value_does_not_depend_on_its_place_in_the_tensor(activation: str) -> None:
    made, values = ACTIVATIONS[activation], VALUES.float()
    for begin in range(9):
        part = values[begin : begin + 101].clone()
        assert torch.equal(made.value(part), made.value(values)[begin : begin + 101])


def test_a_member_of_a_pack_with_this_activation_is_the_trial_alone(activation: str) -> None:
    assert_packed_equals_alone("dfa", activation=activation)


# -- problems ------------------------------------------------------------------------------------


def settled(problem: str) -> tuple[Any, Any]:
    """The problem's class, and its settings with every default."""
    kind = PROBLEMS[problem]
    try:
        return kind, kind.Settings().resolved()
    except ValueError:
        pytest.skip("its settings have no defaults")


def same(one: EpochSample, other: EpochSample) -> bool:
    """Whether two samples have the same tuples in the same order."""
    return np.array_equal(one.gather(), other.gather()) and np.array_equal(one.labels, other.labels)


def test_what_a_problem_draws_can_be_trained_on(problem: str) -> None:
    kind, settings = settled(problem)
    made = kind(settings)
    check_scale(made)
    for what, sample in (("training", made.train(0, 1)), ("the test", made.test(0, 1))):
        check_items(sample.items, made.settings)
        expected = made.settings.test_samples if what == "the test" else None
        check_sample(sample, made.settings, expected, what)
    assert made.inputs == made.settings.inputs
    assert len(made.train(0, 1).labels) == made.settings.samples


def test_what_a_problem_draws_depends_on_seed_and_epoch_alone(problem: str) -> None:
    kind, settings = settled(problem)
    one, other = kind(settings), kind(settings)
    other.test(5, 2)  # its test takes nothing from the stream of its training
    assert same(one.train(5, 2), other.train(5, 2))
    assert same(one.test(5, 2), other.test(5, 2))


def test_the_test_of_a_problem_is_not_its_training(problem: str) -> None:
    kind, settings = settled(problem)
    made = kind(settings)
    count = min(made.settings.samples, made.settings.test_samples)
    part = slice(count)
    assert not np.array_equal(made.train(5, 2).gather(part), made.test(5, 2).gather(part))


def test_the_settings_of_a_problem_survive_the_way_to_a_worker(problem: str) -> None:
    kind, settings = settled(problem)
    restored = kind.Settings.model_validate(settings.model_dump(mode="json"))
    assert restored == settings

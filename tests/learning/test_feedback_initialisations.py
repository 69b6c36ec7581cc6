"""Feedback initialisations: bounds, moments and shape of the distribution (thesis section 3.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from dfa_tune.learning.initialisation import initial_network
from dfa_tune.learning.settings import Network
from dfa_tune.registry import FEEDBACK, RULES

FAN_IN, FAN_OUT = 400, 25
SCALE = 1 / np.sqrt(FAN_IN)
DISTRIBUTIONS: dict[str, Any] = {
    "uniform": stats.uniform(-SCALE, 2 * SCALE),
    "standard_uniform": stats.uniform(0, 1),
    "gaussian": stats.norm(SCALE, SCALE),
    "standard_gaussian": stats.norm(0, 1),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_entries_follow_the_stated_distribution(name: str) -> None:
    matrix = FEEDBACK[name](np.random.default_rng(0), (FAN_IN, FAN_OUT))
    wanted = DISTRIBUTIONS[name]
    assert matrix.shape == (FAN_IN, FAN_OUT)
    low, high = wanted.support()
    assert low <= matrix.min()
    assert matrix.max() <= high
    error = wanted.std() / np.sqrt(matrix.size)
    assert matrix.mean() == pytest.approx(wanted.mean(), abs=4 * error)
    assert matrix.std() == pytest.approx(wanted.std(), rel=0.03)
    assert stats.kstest(matrix.ravel(), wanted.cdf).pvalue > 1e-3


def test_all_four_of_the_thesis_are_there() -> None:
    assert set(FEEDBACK.names()) == set(DISTRIBUTIONS)


@pytest.mark.parametrize("rule", ["dfa", "fa"])
def test_uniform_feedback_is_bounded_by_the_width_of_the_layer_that_receives_it(rule: str) -> None:
    hidden = (300, 50)
    network = initial_network(Network(hidden=hidden), RULES[rule], 8, [0], ["uniform"])
    for width, matrix in zip(hidden, network.feedback, strict=True):
        assert matrix is not None
        bound = 1 / np.sqrt(width)
        assert 0.9 * bound < matrix.abs().max().item() <= bound * (1 + 1e-6)


@pytest.mark.parametrize("rule", ["dfa", "fa", "kolen_pollack"])
def test_the_scale_of_the_feedback_multiplies_what_is_drawn_and_nothing_else(rule: str) -> None:
    drawn, scaled = (
        initial_network(
            Network(hidden=(30, 5), feedback_scale=scale),
            RULES[rule],
            8,
            [0],
            ["gaussian"],
            outputs=3,
            precision="float64",
        )
        for scale in (1.0, 0.37)
    )
    for one, other in zip(drawn.feedback, scaled.feedback, strict=True):
        assert one is not None
        assert torch.equal(0.37 * one, other)
    assert torch.equal(drawn.layers[0].weight, scaled.layers[0].weight)
    assert torch.equal(drawn.output, scaled.output)


def test_feedback_has_a_stream_of_its_own_for_each_seed_and_layer() -> None:
    network = initial_network(Network(hidden=(6, 6)), RULES["dfa"], 8, [0, 1], ["standard_gaussian"] * 2)
    values = [
        tuple(matrix[m].flatten().tolist())
        for matrix in network.feedback
        if matrix is not None
        for m in (0, 1)
    ]
    assert len(set(values)) == 4


def test_members_of_a_pack_may_have_different_feedback() -> None:
    network = initial_network(
        Network(hidden=(500,)), RULES["dfa"], 8, [0, 0], ["standard_uniform", "standard_gaussian"]
    )
    (matrix,) = network.feedback
    assert matrix is not None
    assert matrix[0].min() >= 0 > matrix[1].min()

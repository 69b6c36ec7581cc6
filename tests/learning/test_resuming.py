"""A training that was stopped goes on elsewhere as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.kinds.parity import Problem, Settings
from dfa_tune.registry import OPTIMIZERS, RULES

Start = Callable[..., PackTraining]


@pytest.fixture
def start() -> Start:
    problem = Problem(Settings(dataset="digits", k=2, train_samples=40, test_samples=30))

    def begin(
        rule: str = "dfa", optimizer: str = "adam", rates: tuple[float, ...] = (0.01, 0.02)
    ) -> PackTraining:
        feedback = "uniform" if RULES[rule].uses_feedback else None
        members = [Member(rate, seed, feedback) for seed, rate in enumerate(rates)]
        training = Training(epochs=4, batch_size=16, weight_decay=1e-3, evaluate_every=2)
        return PackTraining(problem, Network(hidden=(16,)), training, rule, optimizer, members)

    return begin


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def finish(training: PackTraining) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while not training.finished:
        rows += training.run_epoch()
    return rows


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
@pytest.mark.parametrize("batches", [0, 2, 3, 5, 11])
def test_a_training_goes_on_from_its_state_with_the_same_bits(
    start: Start, optimizer: str, batches: int
) -> None:
    whole = finish(start(optimizer=optimizer))
    first, rows = start(optimizer=optimizer), []
    for _ in range(batches):
        rows += step(first)
    second = start(optimizer=optimizer)
    second.restore(load(save({name: value.clone() for name, value in first.state().items()})))
    rows += finish(second)
    assert without_seconds(rows) == without_seconds(whole)


def step(training: PackTraining) -> list[dict[str, Any]]:
    """One batch."""
    return training.advance(0.0)


@pytest.mark.parametrize("rule", ["relu_features", "ntk", "fa"])
def test_frozen_products_are_found_again_after_a_restart(start: Start, rule: str) -> None:
    whole = finish(start(rule))
    first = start(rule)
    rows = step(first) + step(first) + step(first) + step(first)
    second = start(rule)
    second.restore({name: value.clone() for name, value in first.state().items()})
    assert without_seconds(rows + finish(second)) == without_seconds(whole)


def test_advance_returns_in_time_and_comes_to_the_end(start: Start) -> None:
    training, rows = start(), []
    while not training.finished:
        rows += training.advance(0.001)
    assert without_seconds(rows) == without_seconds(finish(start()))


def test_the_state_of_another_pack_is_refused(start: Start) -> None:
    training = start()
    with pytest.raises(ValueError, match="not the state of this pack"):
        training.restore(start(rates=(0.01, 0.02, 0.03)).state())
    with pytest.raises(ValueError, match="not the state of this pack"):
        training.restore(start(optimizer="sgd").state())
    before = training.state()["parameter.hidden.0.weight"].clone()
    late = {name: value.clone() for name, value in start().state().items()}
    late["position"] = torch.tensor([9, 9, -1])
    with pytest.raises(ValueError, match="epoch 9 of 4"):
        training.restore(late)
    assert torch.equal(training.state()["parameter.hidden.0.weight"], before)

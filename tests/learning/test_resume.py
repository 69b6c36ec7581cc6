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


# -- states that are refused --------------------------------------------------------------------


def saved(training: PackTraining) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in training.state().items()}


def test_the_state_of_another_pack_is_refused(start: Start) -> None:
    for other in (start(rates=(0.01, 0.02, 0.03)), start(optimizer="sgd"), start(optimizer="rmsprop")):
        with pytest.raises(ValueError, match="not the state of this pack"):
            start().restore(other.state())


Change = Callable[[dict[str, torch.Tensor]], Any]
CHANGES: dict[str, tuple[Change, str]] = {
    "an epoch beyond the last": (lambda s: s["position"].copy_(torch.tensor([9, 27, -1])), "epoch 9 of 4"),
    "a negative epoch": (lambda s: s["position"].copy_(torch.tensor([-1, 0, -1])), "epoch -1 of 4"),
    "a batch beyond the last": (lambda s: s["position"].copy_(torch.tensor([2, 6, 3])), "batch 3 in epoch 2"),
    "a batch before the first epoch": (lambda s: s["position"].copy_(torch.tensor([0, 0, 1])), "batch 1"),
    "too many steps": (lambda s: s["position"].copy_(torch.tensor([2, 99, 2])), "99 steps.*valid: 5"),
    "a position of two numbers": (lambda s: s.update(position=torch.tensor([2, 5])), "position"),
    "no sums of an epoch that has begun": (lambda s: s.pop("sum.loss"), "sum.loss"),
    "the sums of three members": (
        lambda s: s.update({"sum.correct": torch.zeros(3).double()}),
        "sum.correct",
    ),
    "an alignment of three members": (
        lambda s: s.update({"alignment.step_alignment": torch.zeros(3).double()}),
        "step_alignment",
    ),
    "an unknown tensor": (lambda s: s.update(extra=torch.zeros(2)), "extra"),
    "a clock that runs backwards": (lambda s: s["clock"].fill_(-1.0), "clock"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_that_is_not_valid_changes_nothing(start: Start, change: str) -> None:
    other = start()
    for _ in range(5):
        step(other)
    state, training = saved(other), start()
    spoil, says = CHANGES[change]
    spoil(state)
    before = saved(training)

    with pytest.raises(ValueError, match=says):
        training.restore(state)

    for name, tensor in training.state().items():
        assert torch.equal(tensor, before[name]), name
    assert without_seconds(finish(training)) == without_seconds(finish(start()))

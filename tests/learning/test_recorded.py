"""A recorded step gives the numbers of the ordinary one, bit for bit on a CPU; how far a CPU can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.kinds import classification, clusters, parity
from dfa_tune.registry import FEEDBACK, OPTIMIZERS, PROBLEMS, RULES

PARITY = parity.Settings(dataset="digits", k=2, train_samples=40, test_samples=30)
CLUSTERS = clusters.Settings(n=45, d=5, test_samples=30)
STREAMS = ((0, 0, 0), (2, 0, 1), (0, 1, 0))  # all in one, one each, two of three in one
Start = Callable[..., PackTraining]


class NewItems(parity.Problem):
    """Parity whose images are another array in each epoch, as of a problem that augments them."""

    def train(self, seed: int, epoch: int) -> EpochSample:
        draw = super().train(seed, epoch)
        return EpochSample(np.roll(draw.items, epoch, axis=2), draw.indices, draw.labels)


def start(
    rule: str = "dfa",
    optimizer: str = "adam",
    seeds: tuple[int, ...] = (0, 1, 0),
    problem: Any = PARITY,
    network: dict[str, Any] | None = None,
    recorded: bool = True,
    **training: Any,
) -> PackTraining:
    names = FEEDBACK.names() if RULES[rule].uses_feedback else [None]
    members = [Member(0.01 * 2**n, seed, names[n % len(names)]) for n, seed in enumerate(seeds)]
    if not hasattr(problem, "train"):
        problem = PROBLEMS[problem.kind](problem)
    given = {"epochs": 4, "batch_size": 16, "weight_decay": 1e-3, "evaluate_every": 2} | training
    return PackTraining(
        problem, Network(**{"hidden": (16,)} | (network or {})), Training(**given), rule, optimizer, members,
        recorded=recorded,
    )  # fmt: skip


def finish(training: PackTraining) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while not training.finished:
        rows += training.run_epoch()
    return without_seconds(rows)


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def assert_same(**given: Any) -> None:
    """Rows, parameters and the optimizers' state."""
    recorded, ordinary = start(recorded=True, **given), start(recorded=False, **given)
    assert finish(recorded) == finish(ordinary)
    assert recorded._recorded is not None
    assert ordinary._recorded is None
    for name, tensor in ordinary.state().items():
        if name != "clock":
            assert torch.equal(recorded.state()[name], tensor), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
@pytest.mark.parametrize("rule", RULES.names())
def test_a_recorded_step_is_the_ordinary_one(rule: str, optimizer: str) -> None:
    assert_same(rule=rule, optimizer=optimizer)


@pytest.mark.parametrize("rule", ["dfa", "relu_features", "ntk"])
@pytest.mark.parametrize("seeds", STREAMS, ids=str)
@pytest.mark.parametrize(
    "changes",
    [
        {"problem": CLUSTERS},
        {"problem": CLUSTERS, "batch_size": "full", "evaluate_every": 3},
        {"problem": CLUSTERS, "batch_size": 15},  # 3 full batches and no rest
        {"problem": PARITY, "network": {"hidden": (7,), "bias": True}},
        {"problem": PARITY, "precision": "bfloat16"},
        {"problem": PARITY, "epochs": 40},  # 1600 tuples of the 1437 images: a table of frozen products pays
        {"problem": PARITY, "precision": "float64", "weight_decay": 0.0},
    ],
    ids=["clusters", "full", "no rest", "bias", "bfloat16", "tables", "float64"],
)
def test_it_is_so_for_other_shapes(rule: str, seeds: tuple[int, ...], changes: dict[str, Any]) -> None:
    assert_same(rule=rule, seeds=seeds, **changes)


def test_it_is_so_for_ten_classes() -> None:
    problem = classification.Settings(dataset="digits", train_samples=40, test_samples=30)
    for rule in ("bp", "dfa", "fa", "relu_features", "ntk"):
        assert_same(rule=rule, problem=problem, network={"hidden": (16,), "bias": True})


def test_it_is_so_for_several_layers() -> None:
    for rule in ("bp", "dfa", "fa"):
        assert_same(rule=rule, network={"hidden": (7, 16), "bias": True})


@pytest.mark.parametrize("rule", ["dfa", "fourier_features"])
@pytest.mark.parametrize("batches", [1, 2, 3, 4, 8])
def test_a_recorded_training_goes_on_from_any_state_as_an_ordinary_one(rule: str, batches: int) -> None:
    whole = finish(start(rule, recorded=False))
    for before, after in ((True, True), (True, False), (False, True)):
        first, second = start(rule, recorded=before), start(rule, recorded=after)
        rows = [row for _ in range(batches) for row in first.advance(0.0)]  # a batch each
        second.restore(load(save({name: value.clone() for name, value in first.state().items()})))
        assert without_seconds(rows) + finish(second) == whole


def test_a_recorded_training_goes_on_from_its_own_state() -> None:
    training = start()
    training.advance(0.0)
    training.restore(training.state())
    assert finish(training) == finish(start())


def test_items_that_change_end_the_recording_and_change_no_number() -> None:
    problem = NewItems(PARITY)
    recorded = start(problem=problem)
    assert finish(recorded) == finish(start(problem=problem, recorded=False))
    assert recorded._recorded is None


def test_a_cpu_records_nothing_unless_asked_to() -> None:
    training = start(recorded=None, epochs=1000)
    training.advance(0.0)
    assert training._recorded is None

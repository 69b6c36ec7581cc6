"""A pack's member equals the same trial alone, bit for bit, on a CPU, with one thread or two."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch

from dfa_tune.learning.training import Member
from dfa_tune.problems.kinds import classification, clusters, parity
from dfa_tune.registry import FEEDBACK, OPTIMIZERS, RULES

NAMES = FEEDBACK.names()
PARITY = parity.Settings(dataset="digits", k=2, train_samples=173, test_samples=1031)
CLUSTERS = clusters.Settings(n=53, d=15, test_samples=77)
DIGITS = classification.Settings(dataset="digits", train_samples=173)  # ten classes
BATCH = 50  # leaves a rest of 23, or of 3
SHAPES: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "parity-37": (PARITY, {"hidden": (37,)}, {}),
    "parity-37-bias": (PARITY, {"hidden": (37,), "bias": True}, {"weight_decay": 1e-3}),
    "clusters-100": (CLUSTERS, {"hidden": (100,)}, {"batch_size": "full"}),
    "clusters-tanh": (CLUSTERS, {"hidden": (100,), "activation": "tanh", "bias": True}, {"batch_size": 26}),
    "two-layers": (PARITY, {"hidden": (37, 19), "bias": True}, {"weight_decay": 1e-3}),
    "three-layers-tanh": (CLUSTERS, {"hidden": (21, 13, 5), "activation": "tanh"}, {}),
    "width-1": (CLUSTERS, {"hidden": (1,), "bias": True}, {}),
    "width-1-above": (CLUSTERS, {"hidden": (9, 1, 3)}, {}),
    "rest-of-1": (CLUSTERS, {"hidden": (33,), "bias": True}, {"batch_size": 26}),
    "batch-of-1": (clusters.Settings(n=9, d=15, test_samples=1), {"hidden": (33,)}, {"batch_size": 1}),
    "d-2": (clusters.Settings(n=30, d=2, test_samples=31), {"hidden": (7,)}, {}),
    "float64": (CLUSTERS, {"hidden": (37,), "bias": True}, {"precision": "float64"}),
    "bfloat16": (PARITY, {"hidden": (37,), "bias": True}, {"precision": "bfloat16"}),
    "ten-classes": (DIGITS, {"hidden": (37,), "bias": True}, {"weight_decay": 1e-3}),
    "ten-sigmoids": (DIGITS, {"hidden": (21, 13), "activation": "tanh"}, {"loss": "binary_cross_entropy"}),
    "ten-classes-rest-of-1": (DIGITS, {"hidden": (32, 1), "bias": True}, {"batch_size": 43}),
    "ten-classes-bfloat16": (DIGITS, {"hidden": (37,)}, {"precision": "bfloat16"}),
    "ten-classes-float64": (DIGITS, {"hidden": (37,), "bias": True}, {"precision": "float64"}),
}
# Wide enough that torch divides the work between threads
LARGE: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "parity-512": (
        parity.Settings(dataset="digits", k=3, train_samples=300, test_samples=1300),
        {"hidden": (512,), "bias": True},
        {"batch_size": 128, "weight_decay": 1e-3},
    ),
    "parity-333-211": (
        parity.Settings(dataset="digits", k=3, train_samples=301, test_samples=301),
        {"hidden": (333, 211), "bias": True, "activation": "tanh"},
        {"batch_size": 150},
    ),
    "clusters-1000-full": (
        clusters.Settings(n=255, d=15, test_samples=1501),
        {"hidden": (1000,), "bias": True},
        {"batch_size": "full"},
    ),
    "parity-full": (
        parity.Settings(dataset="digits", k=1, train_samples=40_001, test_samples=11),
        {"hidden": (3,), "bias": True},
        {"batch_size": "full"},
    ),
    "ten-classes-512": (DIGITS, {"hidden": (512,), "bias": True}, {"batch_size": 128}),
    "ten-classes-full": (
        classification.Settings(dataset="digits", train_samples=40_001, test_samples=11),
        {"hidden": (3,), "bias": True},
        {"batch_size": "full"},
    ),
    "bfloat16": (
        parity.Settings(dataset="digits", k=3, train_samples=301, test_samples=301),
        {"hidden": (333,), "bias": True},
        {"batch_size": 150, "precision": "bfloat16"},
    ),
}


def members(rule: str, count: int, seeds: int, first: int = 0) -> list[Member]:
    """Learning rates all different, seeds and feedback in turn."""
    uses = RULES[rule].uses_feedback
    return [
        Member(0.01 * 1.7**i, i % seeds, NAMES[i % len(NAMES)] if uses else None)
        for i in range(first, first + count)
    ]


@pytest.fixture
def same_as_alone(run: Callable[..., Any]) -> Callable[..., None]:
    """Asserts that some members of a pack have the rows and weights that they have alone."""

    def check(
        shape: tuple[Any, ...], pack: list[Member], rule: str, optimizer: str, compared: list[int]
    ) -> None:
        problem, network, training = shape
        given = {
            "rule": rule,
            "optimizer": optimizer,
            "network": network,
            **{"batch_size": BATCH, **training},
        }
        packed = run(problem, pack, **given)
        for position in compared:
            alone = run(problem, [pack[position]], **given)
            assert packed.rows[position] == alone.rows[0], position
            assert not alone.rows[0][-1]["diverged"]
            found = packed.training.weights(position)
            for name, tensor in alone.training.weights(0).items():
                assert torch.equal(found[name], tensor), (position, name)

    return check


def rules_for(shape: tuple[Any, dict[str, Any], Any]) -> list[str]:
    deep = len(shape[1]["hidden"]) > 1
    return [rule for rule in RULES.names() if not (deep and RULES[rule].single_hidden)]


@pytest.mark.parametrize(("shape", "rule"), [(s, rule) for s in SHAPES for rule in rules_for(SHAPES[s])])
def test_a_member_of_a_pack_is_the_trial_alone(
    same_as_alone: Callable[..., None], shape: str, rule: str
) -> None:
    pack = members(rule, 7, seeds=3)
    same_as_alone(SHAPES[shape], pack, rule, "sgd", [0, 4, 6])
    same_as_alone(SHAPES[shape], pack[:2], rule, "rmsprop", [1])


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
@pytest.mark.parametrize("shape", ["parity-37-bias", "two-layers", "d-2", "ten-classes"])
def test_every_optimizer_gives_a_member_what_it_gives_the_trial_alone(
    same_as_alone: Callable[..., None], shape: str, optimizer: str
) -> None:
    same_as_alone(SHAPES[shape], members("dfa", 7, seeds=7), "dfa", optimizer, [1, 6])


@pytest.mark.parametrize("seeds", [1, 2, 7])
def test_it_does_not_matter_which_seeds_share_a_pack(same_as_alone: Callable[..., None], seeds: int) -> None:
    same_as_alone(SHAPES["parity-37-bias"], members("fa", 7, seeds), "fa", "momentum", [2, 5])


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_a_diverging_member_disturbs_no_other(same_as_alone: Callable[..., None], optimizer: str) -> None:
    pack = members("dfa", 3, seeds=1)
    pack.insert(1, Member(1e30, 0, "uniform"))
    same_as_alone(SHAPES["parity-37-bias"], pack, "dfa", optimizer, [0, 2, 3])


@pytest.mark.parametrize("rule", ["bp", "dfa", "ntk", "relu_features"])
@pytest.mark.parametrize("shape", LARGE)
def test_a_large_member_is_the_trial_alone_with_one_thread_or_two(
    same_as_alone: Callable[..., None],
    run: Callable[..., Any],
    threads: Callable[[int], None],
    shape: str,
    rule: str,
) -> None:
    problem, network, training = LARGE[shape]
    if len(network["hidden"]) > 1 and RULES[rule].single_hidden:
        pytest.skip("defined for one hidden layer")
    pack, given = members(rule, 2, seeds=2), {"rule": rule, "network": network, "epochs": 1, **training}
    rows = {}
    for count in (1, 2):
        threads(count)
        together = run(problem, pack, **given).rows
        rows[count] = together
        assert run(problem, pack[1:], **given).rows[0] == together[1], f"{count} threads"
    assert rows[1] == rows[2]


@pytest.mark.parametrize("shape", ["parity-37-bias", "clusters-tanh", "two-layers"])
def test_the_number_of_threads_does_not_change_small_numbers(
    run: Callable[..., Any], threads: Callable[[int], None], shape: str
) -> None:
    problem, network, training = SHAPES[shape]
    rows = []
    for count in (1, 2, max(2, os.cpu_count() or 2)):
        threads(count)
        rows.append(run(problem, members("dfa", 7, seeds=2), rule="dfa", network=network, **training).rows)
    assert rows[0] == rows[1] == rows[2]

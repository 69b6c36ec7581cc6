"""Small trainings: a pack beside its members alone, and an interrupted one beside one that ran on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.kinds import clusters
from dfa_tune.registry import PROBLEMS, RULES

PROBLEM = clusters.Settings(n=53, d=15, test_samples=77)


@dataclass
class Trained:
    """The rows of a finished training by member, without `member` and `seconds`, and the training itself."""

    rows: list[list[dict[str, Any]]]
    training: PackTraining


def members(
    rule: str, rates: Sequence[float] = (0.01, 0.02, 0.03), feedback: str = "uniform"
) -> list[Member]:
    """One for each learning rate, each with a seed of its own."""
    used = feedback if RULES[rule].uses_feedback else None
    return [Member(rate, seed, used) for seed, rate in enumerate(rates)]


def start(
    pack: Sequence[Member],
    *,
    rule: str = "dfa",
    optimizer: str = "sgd",
    problem: Any = PROBLEM,
    hidden: Sequence[int] = (7, 5),
    activation: str = "relu",
) -> PackTraining:
    """A pack before its first batch: three epochs, batches of 20 tuples and a smaller last one."""
    layers = tuple(hidden)[:1] if RULES[rule].single_hidden else tuple(hidden)
    return PackTraining(
        PROBLEMS[problem.kind](problem),
        Network(hidden=layers, activation=activation, bias=True),
        Training(epochs=3, batch_size=20, weight_decay=1e-3),
        rule,
        optimizer,
        pack,
    )


def finish(training: PackTraining) -> Trained:
    """The training at its end."""
    rows: list[list[dict[str, Any]]] = [[] for _ in training.members]
    while not training.finished:
        for row in training.run_epoch():
            rows[row["member"]].append({k: v for k, v in row.items() if k not in ("member", "seconds")})
    return Trained(rows, training)


def train(pack: Sequence[Member], **given: Any) -> Trained:
    """`start` and `finish`."""
    return finish(start(pack, **given))


def assert_same(one: Trained, member: int, other: Trained, its_member: int) -> None:
    """Assert that members of two trainings have the same rows and weights, bit for bit."""
    assert one.rows[member] == other.rows[its_member]
    found, wanted = one.training.weights(member), other.training.weights(its_member)
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), f"{name} of member {member} differs"


def assert_packed_equals_alone(rule: str, **given: Any) -> None:
    """Assert that members of a pack are as they are alone, and that one which diverges disturbs no other."""
    pack = members(rule)
    together = train(pack, rule=rule, **given)
    for index, member in enumerate(pack):
        assert_same(together, index, train([member], rule=rule, **given), 0)
    disturbed = train([pack[0], Member(1e30, 9, pack[0].feedback), pack[1]], rule=rule, **given)
    assert_same(disturbed, 0, together, 0)
    assert_same(disturbed, 2, together, 1)


def assert_resumable(rule: str, **given: Any) -> None:
    """Assert that a training which goes on from its state has the numbers of one that ran on."""
    from safetensors.torch import load, save

    whole = train(members(rule), rule=rule, **given)
    first, batches = start(members(rule), rule=rule, **given), 0
    rows: list[dict[str, Any]] = []
    while not first.finished:
        rows += first.advance(0.0)  # one batch
        batches += 1
        if batches not in (1, 4, 7):
            continue
        second = start(members(rule), rule=rule, **given)
        second.restore(load(save({name: value.clone() for name, value in first.state().items()})))
        ended = finish(second)
        for index in range(len(whole.rows)):
            before = [
                {k: v for k, v in row.items() if k not in ("member", "seconds")}
                for row in rows
                if row["member"] == index
            ]
            assert before + ended.rows[index] == whole.rows[index], f"after {batches} batches"

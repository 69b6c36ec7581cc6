"""The first epochs of a seeded run of each rule, and of each optimizer, as they were when recorded.

What other tests cannot see shows here: a change that gives every rule other, equally plausible numbers.
Where that is meant, raise `NUMERICS_VERSION`, say so in the commit, and record the curves again:

    uv run python tests/learning/test_golden.py

Tolerance: on the CPU type that recorded them the numbers are the same bits. Elsewhere products are summed in
another order; in single precision that moves a loss after these few steps by some 1e-6, and may move a
test image that lies on the boundary to its other side.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.planning.trial import NUMERICS_VERSION
from dfa_tune.problems.kinds import parity
from dfa_tune.registry import OPTIMIZERS, RULES

RECORDED = Path(__file__).with_name("golden.json")
PROBLEM = parity.Settings(dataset="digits", k=2, train_samples=320, test_samples=200)
METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "gradient_alignment")
RATES = {"sgd": 0.1, "momentum": 0.03, "nesterov": 0.03, "adagrad": 0.03, "adadelta": 1.0, "rmsprop": 0.003}
CASES = [
    *((rule, "sgd") for rule in RULES.names()),
    *(("dfa", name) for name in OPTIMIZERS.names() if name != "sgd"),
]
LOSS, COUNT = 1e-4, 2  # relative; images


def curve(rule: str, optimizer: str) -> list[dict[str, Any]]:
    """Two epochs: each metric, none where it does not apply."""
    training = PackTraining(
        parity.Problem(PROBLEM),
        Network(hidden=(24,), bias=True),
        Training(epochs=2, batch_size=32, weight_decay=1e-3, device="cpu"),
        rule,
        optimizer,
        [Member(RATES.get(optimizer, 0.003), 7, "uniform" if RULES[rule].uses_feedback else None)],
    )
    return [{name: row[name] for name in METRICS} for row in training.advance(float("inf"))]


def test_the_curves_are_of_these_numerics_and_of_every_rule_and_optimizer() -> None:
    recorded = json.loads(RECORDED.read_text())
    assert recorded["numerics"] == NUMERICS_VERSION, "the numerics have changed: record the curves again"
    assert recorded["curves"].keys() == {f"{rule}-{optimizer}" for rule, optimizer in CASES}


@pytest.mark.parametrize(("rule", "optimizer"), CASES)
def test_a_curve_is_as_it_was_recorded(rule: str, optimizer: str) -> None:
    recorded = json.loads(RECORDED.read_text())["curves"][f"{rule}-{optimizer}"]
    for before, now in zip(recorded, curve(rule, optimizer), strict=True):
        for name in METRICS:
            if name.endswith("accuracy"):
                samples = PROBLEM.train_samples if name.startswith("train") else PROBLEM.test_samples
                assert abs(now[name] - before[name]) * samples <= COUNT, name
            elif before[name] is None:
                assert now[name] is None, name
            else:
                assert now[name] == pytest.approx(before[name], rel=LOSS, abs=1e-6), name


if __name__ == "__main__":
    curves = {f"{rule}-{optimizer}": curve(rule, optimizer) for rule, optimizer in CASES}
    RECORDED.write_text(json.dumps({"numerics": NUMERICS_VERSION, "curves": curves}, indent=1) + "\n")

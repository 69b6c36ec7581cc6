"""On a real GPU: the captured step against the eager one and a CPU. Without one nothing of this runs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.kinds.parity import Problem, Settings
from dfa_tune.registry import OPTIMIZERS, RULES

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
PARITY = Settings(dataset="digits", k=2, train_samples=150, test_samples=300)


def start(rule: str, optimizer: str, device: str, recorded: bool) -> PackTraining:
    feedback = "uniform" if RULES[rule].uses_feedback else None
    members = [Member(0.01 * 2**n, seed, feedback) for n, seed in enumerate((0, 1, 0))]
    training = Training(epochs=11, batch_size=16, weight_decay=1e-3, precision="float64")
    network = Network(hidden=(16,), bias=True)
    return PackTraining(Problem(PARITY), network, training, rule, optimizer, members, device, recorded)


def finish(training: PackTraining) -> list[list[Any]]:
    rows: list[dict[str, Any]] = []
    while not training.finished:
        rows += training.run_epoch()
    return [[v for name, v in row.items() if name != "seconds" and v is not None] for row in rows]


@pytest.mark.parametrize(
    ("rule", "optimizer"),
    [(rule, "adam") for rule in RULES.names()] + [("dfa", name) for name in OPTIMIZERS.names()],
)
def test_a_captured_training_gives_the_numbers_of_an_eager_one_and_of_a_cpu(
    rule: str, optimizer: str
) -> None:
    captured, eager = start(rule, optimizer, "cuda", True), start(rule, optimizer, "cuda", False)
    rows = finish(captured)
    assert captured.captured
    for other in (finish(eager), finish(start(rule, optimizer, "cpu", False))):
        for mine, theirs in zip(rows, other, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("rule", RULES.names())
def test_nothing_waits_inside_an_epoch(rule: str, recorded: bool) -> None:
    training = start(rule, "adam", "cuda", recorded)
    training.run_epoch()
    training.epoch += 1
    training._current = epoch = training._begin()
    torch.cuda.set_sync_debug_mode("error")
    try:
        while not epoch.finished:
            training._train(epoch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_captured_training_goes_on_from_its_state() -> None:
    first, second = start("dfa", "adam", "cuda", True), start("dfa", "adam", "cuda", True)
    rows = [row for _ in range(13) for row in first.advance(0.0)]
    second.restore({name: value.clone() for name, value in first.state().items()})
    rest, whole = finish(second), finish(start("dfa", "adam", "cuda", True))
    for mine, theirs in zip(rest, whole[len(rows) :], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-6, abs=1e-9)

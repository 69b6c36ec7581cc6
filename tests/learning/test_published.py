"""What papers found holds on the real data: on MNIST, feedback rules lie between the output layer and BP."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.kinds.classification import Problem, Settings
from dfa_tune.registry import RULES


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_on_mnist_bp_is_above_the_feedback_rules_and_these_far_above_the_output_layer(
    mnist_folder: Path,
) -> None:
    """500 tanh units, sigmoid cross-entropy, Adam at 1.5e-4, batch 60, as in Frenkel et al. 2021.

    They train for 100 epochs and call the output layer alone "shallow"; here ten epochs show the order.
    """
    problem = Problem(Settings(dataset="mnist"), mnist_folder)
    training = Training(epochs=10, batch_size=60, loss="binary_cross_entropy", evaluate_every=10)

    def accuracy(rule: str) -> float:
        feedback = "uniform" if RULES[rule].uses_feedback else None
        network = Network(hidden=(500,), activation="tanh", bias=True)
        pack = PackTraining(problem, network, training, rule, "adam", [Member(1.5e-4, 0, feedback)])
        found = float(pack.advance(float("inf"))[-1]["test_accuracy"])
        print(rule, found, flush=True)
        return found

    found = {rule: accuracy(rule) for rule in ("bp", "dfa", "fa", "sdfa", "drtp", "output_only")}
    assert found["bp"] > max(found["dfa"], found["fa"])
    assert min(found["dfa"], found["fa"]) - found["output_only"] > 0.02
    assert found["bp"] > 0.97

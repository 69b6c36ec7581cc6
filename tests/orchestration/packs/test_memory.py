"""What a pack's memory is estimated from."""

from __future__ import annotations

import pytest

from dfa_tune.config.method import Method
from dfa_tune.learning.settings import Network, Training
from dfa_tune.orchestration.packs.memory import MEASURED, member_bytes
from dfa_tune.planning.trial import Trial
from dfa_tune.problems.kinds.classification import Settings
from dfa_tune.registry import RULES

# Tensors of a weight matrix: itself, what alignments need, and the gradient; SGD has no state
LEARNT = 1 + MEASURED + 1


def trial(rule: str) -> Trial:
    """Digits into ten classes, with hidden layers of 16 and 8 units."""
    return Trial(
        problem=Settings(dataset="digits").resolved(),
        network=Network(hidden=(16, 8)),
        training=Training(epochs=1, batch_size=20),
        method=Method(rule=rule, optimizer="sgd", feedback="uniform" if RULES[rule].uses_feedback else None),
        learning_rate=0.1,
        seed=0,
        stage="repeat",
        split="test",
        data_digest=None,
    )


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        ("dfa", 16 * 10 + 8 * 10),
        ("fa", 16 * 8 + 8 * 10),
        ("kolen_pollack", LEARNT * (16 * 8 + 8 * 10)),
    ],
)
def test_feedback_counts_and_what_learns_counts_as_weights_do(rule: str, numbers: int) -> None:
    assert member_bytes(trial(rule)) - member_bytes(trial("bp")) == 4 * numbers

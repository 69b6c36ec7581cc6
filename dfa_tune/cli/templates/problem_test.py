"""The labels of NAME against their definition."""

from pathlib import Path

import dfa_tune
from dfa_tune.registry import PROBLEMS

dfa_tune.register(Path(__file__).with_name("NAME.py"))


def test_labels_are_what_the_definition_says() -> None:
    kind = PROBLEMS["NAME"]
    drawn = kind(kind.Settings(bits=5, train_samples=200)).train(seed=0, epoch=1)
    for bits, label in zip(drawn.gather(), drawn.labels, strict=True):
        assert label == (sum(map(int, bits)) >= 3)

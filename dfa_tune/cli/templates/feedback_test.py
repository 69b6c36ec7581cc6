"""The distribution of NAME, on a large sample."""

from pathlib import Path

import numpy as np

import dfa_tune
from dfa_tune.registry import FEEDBACK

dfa_tune.register(Path(__file__).with_name("NAME.py"))


def test_the_distribution_is_what_it_says() -> None:
    matrix = FEEDBACK["NAME"](np.random.default_rng(0), (400, 250))
    assert set(np.unique(matrix)) == {-1 / 20, 1 / 20}  # 1/sqrt(400)
    assert abs((matrix > 0).mean() - 0.5) < 0.01  # six standard errors

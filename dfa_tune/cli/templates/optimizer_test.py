"""Fifty steps of NAME against its formula, written down once more in NumPy."""

from pathlib import Path

import numpy as np
import torch

import dfa_tune
from dfa_tune.registry import OPTIMIZERS

dfa_tune.register(Path(__file__).with_name("NAME.py"))


def test_fifty_steps_are_the_formula() -> None:
    rng, rates = np.random.default_rng(0), np.array([0.01, 0.1])[:, None, None]
    theta = rng.normal(size=(2, 4, 3))  # two members
    made = OPTIMIZERS["NAME"](torch.tensor(theta))
    v = np.zeros_like(theta)
    for t in range(1, 51):
        g = rng.normal(size=theta.shape)
        v = 0.9 * v + (1 - 0.9) * g
        theta = theta - rates * np.sign(v)
        made.step(torch.tensor(g), torch.tensor(rates), t)
    np.testing.assert_allclose(made.parameter, theta, rtol=1e-9)

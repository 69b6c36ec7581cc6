"""One step of training with NAME against its formula, written down once more in NumPy."""

from pathlib import Path

import numpy as np

import dfa_tune
from dfa_tune.testing import take_step

dfa_tune.register(Path(__file__).with_name("NAME.py"))


def test_a_step_is_the_formula() -> None:
    step = take_step("NAME")  # one hidden layer of ReLUs, one sigmoid, two members
    found = step.gradients(learning_rate=1.0)["hidden.0.weight"]
    for member in (0, 1):
        x, labels = step.seen(member), step.labels[member].numpy()
        w1 = step.before["hidden.0.weight"][member].numpy()  # (inputs, units)
        w2 = step.before["output.weight"][member, 0].numpy()  # (units,)
        a = x @ w1
        error = (1 / (1 + np.exp(-np.maximum(a, 0) @ w2)) - labels) / len(x)
        sent = np.sign(w2) / np.sqrt(len(w2))
        gradient = x.T @ (error[:, None] * sent * (a > 0))
        np.testing.assert_allclose(found[member], gradient, rtol=1e-9, atol=1e-12)

"""The rule and the optimizer against their formulas, written down once more in NumPy."""

import numpy as np
import torch

from dfa_tune.registry import OPTIMIZERS, RULES
from dfa_tune.testing import take_step


def test_both_are_found_by_their_entry_points() -> None:
    for registry, name in ((RULES, "ternary_dfa"), (OPTIMIZERS, "signum")):
        plugin = registry.plugin(name)
        assert plugin is not None
        assert plugin.place == f"module dfa_tune_example.{name}"


def test_a_step_of_ternary_dfa_is_its_formula() -> None:
    step = take_step("ternary_dfa")
    found = step.gradients(learning_rate=1.0)["hidden.0.weight"]
    sent = []
    for member in (0, 1):
        x, labels = step.seen(member), step.labels[member].numpy()
        w1 = step.before["hidden.0.weight"][member].numpy()
        w2 = step.before["output.weight"][member, 0].numpy()
        feedback = step.network.feedback[0]
        assert feedback is not None
        a = x @ w1
        error = 1 / (1 + np.exp(-np.maximum(a, 0) @ w2)) - labels
        ternary = np.where(np.abs(error) > 0.1, np.sign(error), 0.0)
        gradient = x.T @ (np.outer(ternary / len(x), feedback[member, :, 0].numpy()) * (a > 0))
        np.testing.assert_allclose(found[member], gradient, rtol=1e-9, atol=1e-12)
        sent += ternary.tolist()
    assert {-1.0, 1.0} <= set(sent)


def test_fifty_steps_of_signum_are_its_formula() -> None:
    rng, rates = np.random.default_rng(0), np.array([0.01, 0.1])[:, None, None]
    theta = rng.normal(size=(2, 4, 3))
    made = OPTIMIZERS["signum"](torch.tensor(theta))
    v = np.zeros_like(theta)
    for t in range(1, 51):
        g = rng.normal(size=theta.shape)
        v = 0.9 * v + (1 - 0.9) * g
        theta = theta - rates * np.sign(v)
        made.step(torch.tensor(g), torch.tensor(rates), t)
    np.testing.assert_allclose(made.parameter, theta, rtol=1e-9)

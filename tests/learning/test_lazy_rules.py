"""Lazy rules: what is frozen stays as it was drawn, and is drawn as stated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from dfa_tune.learning.initialisation import initial_network
from dfa_tune.learning.network import PackedNetwork
from dfa_tune.learning.settings import Network
from dfa_tune.learning.training import Member
from dfa_tune.problems.kinds import clusters
from dfa_tune.registry import RULES

LAZY = ["relu_features", "linear_features", "gaussian_features", "fourier_features", "output_only"]
PROBLEM = clusters.Settings(n=40, d=5, test_samples=20)
WIDE = (30, 400)  # inputs, hidden: enough numbers for a test of their distribution


def packed(rule: str, seed: int = 0, bias: bool = False, **network: Any) -> PackedNetwork:
    return initial_network(
        Network(hidden=(WIDE[1],), bias=bias, **network),
        RULES[rule],
        WIDE[0],
        [seed],
        [None],
        precision="float64",
    )


def follows(sample: torch.Tensor, distribution: Any) -> bool:
    """Kolmogorov and Smirnov see no difference; the seed is fixed, so this does not vary."""
    return bool(stats.kstest(sample.flatten().numpy(), distribution.cdf).pvalue > 1e-3)


# -- frozen -------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(6,), (6, 5)])
@pytest.mark.parametrize("optimizer", ["sgd", "adadelta", "adam"])
@pytest.mark.parametrize("rule", LAZY)
def test_a_lazy_rule_leaves_its_hidden_layers_untouched(
    run: Callable[..., Any], rule: str, optimizer: str, hidden: tuple[int, ...]
) -> None:
    network: dict[str, Any] = {"hidden": hidden, "bias": True}
    start = initial_network(Network(**network), RULES[rule], 5, [0, 1], [None, None])
    training = run(
        PROBLEM,
        [Member(0.1, 0), Member(0.5, 1)],
        rule=rule,
        optimizer=optimizer,
        network=network,
        weight_decay=0.1,  # decays what is trained, nothing else
    ).training
    for layer, (before, after) in enumerate(zip(start.layers, training.network.layers, strict=True)):
        assert torch.equal(before.weight, after.weight), layer
        assert before.bias is not None
        assert after.bias is not None
        assert torch.equal(before.bias, after.bias), layer
    assert set(training.network.parameters()) == {"output.weight", "output.bias"}
    assert not torch.equal(start.output, training.network.output)
    bias = training.network.output_bias
    assert start.output_bias is not None
    assert bias is not None
    assert not torch.equal(start.output_bias, bias)


@pytest.mark.parametrize("rule", ["ntk", "galu"])
def test_a_gated_rule_trains_both_layers_and_leaves_its_gates_untouched(
    run: Callable[..., Any], rule: str
) -> None:
    network: dict[str, Any] = {"hidden": (6,), "bias": True}
    start = initial_network(Network(**network), RULES[rule], 5, [0], [None])
    trained = run(PROBLEM, [Member(0.1, 0)], rule=rule, network=network, weight_decay=0.1).training.network
    before, after = start.layers[0], trained.layers[0]
    assert before.gate_weight is not None
    assert before.gate_bias is not None
    assert torch.equal(before.gate_weight, after.gate_weight)
    assert torch.equal(before.gate_bias, after.gate_bias)
    assert not torch.equal(before.weight, after.weight)
    assert not torch.equal(before.bias, after.bias)
    assert not torch.equal(start.output, trained.output)


@pytest.mark.parametrize("rule", ["dfa", "fa"])
def test_feedback_matrices_stay_as_drawn(run: Callable[..., Any], rule: str) -> None:
    network: dict[str, Any] = {"hidden": (6, 5)}
    start = initial_network(Network(**network), RULES[rule], 5, [0], ["uniform"])
    trained = run(
        PROBLEM, [Member(0.1, 0, "uniform")], rule=rule, network=network, weight_decay=0.1
    ).training.network
    for before, after in zip(start.feedback, trained.feedback, strict=True):
        assert torch.equal(before, after)


# -- what the features are ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "function"),
    [
        ("relu_features", torch.relu),
        ("linear_features", lambda a: a),
        ("gaussian_features", torch.relu),
        ("fourier_features", torch.cos),
    ],
)
def test_features_are_their_function_of_a_random_projection(
    rule: str, function: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    network = packed(rule)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 7, WIDE[0])))
    layer = network.layers[0]
    a = x[0] @ layer.weight[0]
    if rule == "fourier_features":
        assert layer.bias is not None
        a = a + layer.bias[0]
    else:
        assert layer.bias is None
    torch.testing.assert_close(network.forward(x).outputs[0][0], function(a), rtol=1e-10, atol=1e-12)


def test_output_only_has_the_networks_own_activation() -> None:
    x = torch.ones(1, 2, WIDE[0], dtype=torch.float64)
    network = packed("output_only", activation="tanh")
    expected = torch.tanh(x[0] @ network.layers[0].weight[0])
    torch.testing.assert_close(network.forward(x).outputs[0][0], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rule", ["bp", "relu_features", "linear_features", "output_only", "ntk", "galu"])
def test_weights_are_uniform_within_one_over_the_root_of_fan_in(rule: str) -> None:
    network = packed(rule, bias=True)
    layer = network.layers[0]
    bound = 1 / np.sqrt(WIDE[0])
    gates = [layer.gate_weight, layer.gate_bias] if RULES[rule].gate else []
    for tensor in (layer.weight, layer.bias, *gates):
        assert tensor is not None
        assert tensor.abs().max() <= bound
        assert follows(tensor, stats.uniform(-bound, 2 * bound))
    bound = 1 / np.sqrt(WIDE[1])
    assert follows(network.output, stats.uniform(-bound, 2 * bound))
    assert network.output_bias is not None
    assert network.output_bias.abs().max() <= bound


@pytest.mark.parametrize(("feature_std", "std"), [(None, np.sqrt(6 / sum(WIDE))), (0.25, 0.25)])
def test_gaussian_features_are_normal_with_the_stated_standard_deviation(
    feature_std: float | None, std: float
) -> None:
    weight = packed("gaussian_features", feature_std=feature_std).layers[0].weight
    assert follows(weight, stats.norm(0, std))
    assert weight.std().item() == pytest.approx(std, rel=0.03)


@pytest.mark.parametrize("bias", [False, True])
def test_fourier_features_have_wide_normal_weights_and_uniform_phases(bias: bool) -> None:
    network = packed("fourier_features", bias=bias)
    layer = network.layers[0]
    assert follows(layer.weight, stats.norm(0, 4 / np.sqrt(WIDE[0])))
    assert layer.bias is not None
    assert follows(layer.bias, stats.uniform(0, 2 * np.pi))
    assert (network.output_bias is not None) == bias


def test_rules_with_one_seed_start_from_the_same_layer_and_seeds_from_different_ones() -> None:
    bp = packed("bp").layers[0].weight
    for rule in ("relu_features", "linear_features", "output_only", "ntk", "galu"):
        assert torch.equal(packed(rule).layers[0].weight, bp), rule
    assert not torch.equal(packed("bp", seed=1).layers[0].weight, bp)


def test_gates_and_layers_are_drawn_independently() -> None:
    layer = packed("ntk", bias=True).layers[0]
    assert layer.gate_weight is not None
    correlation = np.corrcoef(layer.weight.flatten(), layer.gate_weight.flatten())[0, 1]
    assert abs(correlation) < 4 / np.sqrt(layer.weight.numel())

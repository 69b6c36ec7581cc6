"""The hidden representation of single digits, against the network that it is taken from."""

import numpy as np
import pytest

from dfa_tune.analysis.figure_modules import load_module
from dfa_tune.learning.settings import Network
from dfa_tune.registry import RULES

representation = load_module("representation")
K, ROWS, COLUMNS, HIDDEN = 3, 4, 5, 6


def test_the_digits_of_a_tuple_together_give_what_the_whole_layer_gives() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(7, K, ROWS, COLUMNS)).astype(np.float32)
    weight = rng.normal(size=(K * ROWS * COLUMNS, HIDDEN)).astype(np.float32)
    side_by_side = np.concatenate([images[:, j] for j in range(K)], axis=2).reshape(7, -1)
    own = representation.blocks(weight, K, (ROWS, COLUMNS))
    apart = representation.represent(images.reshape(7, K, -1), own)
    np.testing.assert_allclose(apart.sum(axis=1), side_by_side @ weight, rtol=1e-4, atol=1e-5)


def test_the_untrained_weights_are_those_that_training_starts_from() -> None:
    from dfa_tune.learning.initialisation import initial_network

    network = initial_network(Network(hidden=(HIDDEN,)), RULES["dfa"], 20, [7], ["uniform"])
    started = network.layers[0].weight[0].numpy()
    np.testing.assert_array_equal(representation.initial_weight(7, 20, HIDDEN), started)


def test_a_probe_reads_what_is_there_and_nothing_where_nothing_is() -> None:
    rng = np.random.default_rng(1)
    digits = rng.integers(0, 10, (600, 2))
    told = np.eye(10, dtype=np.float32)[digits] @ rng.normal(size=(10, 20)).astype(np.float32)
    noise = rng.normal(size=told.shape).astype(np.float32)
    known, unknown = (
        representation.probe_positions(values[:400], digits[:400], values[400:], digits[400:])
        for values in (told, noise)
    )
    assert known == 1.0
    assert unknown == pytest.approx(0.1, abs=0.06)

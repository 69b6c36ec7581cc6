"""Frozen features cos(W x + b): the "Gaussian features" of Daniely and Malach 2020."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfa_tune.learning.rules._rule import Rule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def hidden_weights(
    rng: np.random.Generator, shape: tuple[int, int], std: float | None
) -> NDArray[np.float64]:
    """N(0, (4 / sqrt(fan_in))^2), (fan_in, fan_out)."""
    return rng.normal(0, 4 / shape[0] ** 0.5, shape)


RULE = Rule(trains_hidden=False, activation="cosine", hidden_weights=hidden_weights, random_phase=True)

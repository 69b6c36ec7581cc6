"""Frozen random features with normal weights (thesis section 1.3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfa_tune.learning.rules._rule import Rule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def hidden_weights(
    rng: np.random.Generator, shape: tuple[int, int], std: float | None
) -> NDArray[np.float64]:
    """N(0, std^2), (fan_in, fan_out); std is by default sqrt(6 / (fan_in + fan_out))."""
    return rng.normal(0, std or (6 / sum(shape)) ** 0.5, shape)


RULE = Rule(trains_hidden=False, hidden_weights=hidden_weights, uses_feature_std=True)

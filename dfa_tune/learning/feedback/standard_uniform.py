"""U(0, 1): no entry is negative (thesis section 3.1)."""

import numpy as np
from numpy.typing import NDArray


def sample(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """A matrix (fan_in, fan_out)."""
    return rng.uniform(0, 1, shape)

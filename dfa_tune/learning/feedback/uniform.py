"""U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as the weights that it replaces (thesis chapter 3)."""

import numpy as np
from numpy.typing import NDArray


def sample(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """A matrix (fan_in, fan_out); fan_in is the width of the layer that receives the error."""
    bound = 1 / np.sqrt(shape[0])
    return rng.uniform(-bound, bound, shape)

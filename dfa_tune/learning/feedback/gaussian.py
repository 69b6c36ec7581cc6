"""Normal, mean and standard deviation both 1/sqrt(fan_in) (thesis section 3.1)."""

import numpy as np
from numpy.typing import NDArray


def sample(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """A matrix (fan_in, fan_out); fan_in is the width of the layer that receives the error."""
    scale = 1 / np.sqrt(shape[0])
    return rng.normal(scale, scale, shape)

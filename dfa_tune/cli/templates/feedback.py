"""NAME: +1/sqrt(fan_in) or -1/sqrt(fan_in), each with probability 1/2.

Change `sample` into an initialisation of your own. All randomness comes from `rng`.
"""

import math

import numpy as np
from numpy.typing import NDArray


def sample(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """A matrix (fan_in, fan_out); fan_in is the width of the layer that receives the error."""
    return np.sign(rng.standard_normal(shape)) / math.sqrt(shape[0])

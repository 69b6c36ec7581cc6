"""Sign-symmetric feedback: the signs of the transposed weights, a fixed magnitude (Liao et al. 2016).

The magnitude is 1/sqrt(fan_in), the bound of the initial weights. It needs the weights' signs, but
not their values: half-way between backpropagation and feedback alignment.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dfa_tune.learning.rules import Rule

if TYPE_CHECKING:
    from torch import Tensor


def transport(weight: Tensor, feedback: Tensor | None) -> Tensor:
    """sign(W) / sqrt(fan_in), (P, fan_in, fan_out) as the weights above."""
    return weight.sign() / math.sqrt(weight.shape[1])


RULE = Rule(transport=transport)

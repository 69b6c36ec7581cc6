"""NAME: the signs of the weights above carry the error down, with a fixed magnitude (Liao et al. 2016).

Change `transport` into a rule of your own. docs/EXTENDING.md lists what else a `Rule` can say.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dfa_tune.learning.rules import Rule

if TYPE_CHECKING:  # torch takes a second to import, and planning a sweep does not need it
    from torch import Tensor


def transport(weight: Tensor, feedback: Tensor | None) -> Tensor:
    """The matrix M whose transpose carries the error down, (P, fan_in, fan_out) as the weights above.

    The first axis is that of the pack's members: the numbers of one must not reach another. `feedback` is a
    fixed random matrix of this shape with `Rule(uses_feedback=True)`, otherwise None.
    """
    return weight.sign() / math.sqrt(weight.shape[1])


RULE = Rule(transport=transport)

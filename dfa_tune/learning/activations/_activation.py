"""What the module of an activation holds: one `ACTIVATION`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Activation:
    """A function of the preactivations a, of any shape, and its derivative from a and h = value(a).

    On a CPU the result for an element must not depend on its place in the tensor, or a packed trial would
    differ from the trial alone. This holds for `exp`, `tanh`, `cos` and arithmetic, but not for the last bit
    of `Tensor.sigmoid`.
    """

    value: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor, Tensor], Tensor] | None  # None: 1 everywhere

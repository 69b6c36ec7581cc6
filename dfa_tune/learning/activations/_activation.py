"""What an activation's module gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Activation:
    """A function of the preactivations a, any shape, and its derivative from a and h = value(a).

    On a CPU each element's result must not depend on where it lies in the tensor, or a packed
    trial would differ from the trial alone; `Tensor.sigmoid` breaks this in its last bit, `exp`,
    `tanh`, `cos` and arithmetic do not.
    """

    value: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor, Tensor], Tensor] | None  # None: 1 everywhere

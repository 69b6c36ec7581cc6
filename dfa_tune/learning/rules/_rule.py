"""What a rule's module gives: one `RULE`, an instance of `Rule`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How hidden layers get their gradient. The output layer's is always that of the loss.

    Going down, the error of layer l, (P, B, H_l), is that of the layer above times the transpose of
    a matrix M, and delta_l = error * f'(a_l) gives the gradient h_{l-1}^T delta_l:

    * `transport(W, B)` is M, (P, H_l, H_{l+1}): from the weights above W and the fixed random
      matrix B of the same shape (None where the rule uses none). None: M = W, backpropagation.
    * `direct`: the error of the output, (P, B, 1), goes to every hidden layer; B is (P, H_l, 1).
    * `trains_hidden` false: the hidden layers stay as they were initialised.

    The other fields change the network itself, for the lazy methods (thesis section 1.3).
    """

    uses_feedback: bool = False
    direct: bool = False
    transport: Callable[[Tensor, Any], Tensor] | None = None
    trains_hidden: bool = True
    activation: str | None = None  # instead of the network's
    # Hidden weights (fan_in, fan_out) from (rng, shape, network.feature_std); None: as every layer's
    hidden_weights: (
        Callable[[np.random.Generator, tuple[int, int], float | None], NDArray[np.float64]] | None
    ) = None
    uses_feature_std: bool = False  # whether `hidden_weights` depends on network.feature_std
    random_phase: bool = False  # hidden biases U(0, 2 pi), whatever the network's `bias`
    # h = a * gate(x W_g) with frozen W_g instead of f(a); one hidden layer only
    gate: Callable[[Tensor], Tensor] | None = None

    @property
    def single_hidden(self) -> bool:
        """Whether the rule is defined for one hidden layer only."""
        return self.gate is not None

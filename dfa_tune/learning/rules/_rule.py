"""What the module of a rule holds: one `RULE`, an instance of `Rule`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from dfa_tune.learning.backward import Context


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How the hidden layers get their gradient. That of the output layer is always the loss' own.

    A signal starts at the output, as the error (P, B, C), and goes down from layer to layer. The signal of
    hidden layer l is the delta of the layer above times the transpose of a matrix M, and
    delta_l = signal * f'(a_l) gives the gradient h_{l-1}^T delta_l. Most rules change one of these:

    * `transport(W, B)`: the matrix M, of the shape of the weights above W, (P, H_l, H_{l+1}), and the
    feedback
      matrix B of that shape, None where `uses_feedback` is false. None: M = W, as in backpropagation.
    * `direct`: every hidden layer gets the signal of the output, and its B is (P, H_l, C).
    * `signal(context)`: what starts at the output instead of the error, (P or 1, B, C).
    * `feedback_gradient(context, deltas, l)`: the gradient by which B of hidden layer l is trained, of B's
      shape, with the optimizer and weight decay of the weights. None: B stays as drawn.
    * `deltas(context)`: all delta_l, (P, B, H_l), for rules that are none of this, such as local losses.
    * `trains_hidden` false: the hidden layers stay as initialised.

    What a rule may ask of a batch is in `learning.backward.Context`. The other fields change the network
    itself, for the lazy methods (thesis section 1.3).
    """

    uses_feedback: bool = False
    direct: bool = False
    transport: Callable[[Tensor, Any], Tensor] | None = None
    signal: Callable[[Context], Tensor] | None = None
    feedback_gradient: Callable[[Context, list[Tensor], int], Tensor] | None = None
    deltas: Callable[[Context], list[Tensor]] | None = None
    trains_hidden: bool = True
    activation: str | None = None  # instead of the network's
    # Hidden weights (fan_in, fan_out) from (rng, shape, network.feature_std); None: as every layer's
    hidden_weights: (
        Callable[[np.random.Generator, tuple[int, int], float | None], NDArray[np.float64]] | None
    ) = None
    uses_feature_std: bool = False  # whether `hidden_weights` depends on network.feature_std
    random_phase: bool = False  # hidden biases are U(0, 2 pi), whatever the network's `bias`
    # h = a * gate(x W_g) with frozen W_g instead of f(a); one hidden layer only
    gate: Callable[[Tensor], Tensor] | None = None

    @property
    def single_hidden(self) -> bool:
        """Whether the rule is defined for one hidden layer only."""
        return self.gate is not None

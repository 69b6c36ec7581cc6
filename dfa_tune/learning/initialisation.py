"""The initial weights and the feedback matrices of a pack, drawn from its members' seeds.

Every matrix has a random stream of its own, named by the seed, the layer and the part. So two rules with
one seed start from the same weights, and a member of a pack starts from those that it has alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.learning.network import Layer, PackedNetwork
from dfa_tune.learning.rules._rule import Rule
from dfa_tune.learning.settings import Network
from dfa_tune.problems.streams import generator
from dfa_tune.registry import ACTIVATIONS, FEEDBACK

# The weights' type by precision: in bfloat16 itself most steps would be rounded away
DTYPES = {"float32": torch.float32, "bfloat16": torch.float32, "float64": torch.float64}
WEIGHT, BIAS, GATE_WEIGHT, GATE_BIAS = range(4)  # the parts of a hidden layer, as its streams number them

Draw = Callable[[np.random.Generator], NDArray[np.float64]]


@dataclass(frozen=True)
class Members:
    """Draws a tensor for each member of a pack from the member's own seed, and stacks them."""

    seeds: Sequence[int]
    dtype: torch.dtype
    device: torch.device

    def weights(self, draw: Draw, *index: int) -> Tensor:
        """(P, rows, columns): `draw` from each member's stream of weights with this index."""
        return self.stack([draw(generator(seed, "weights", *index)) for seed in self.seeds])

    def stack(self, arrays: Sequence[NDArray[np.float64]]) -> Tensor:
        """One array for each member, (rows, columns), as one tensor (P, rows, columns)."""
        # A copy even in float64: NumPy's arrays may begin anywhere, torch's at a multiple of 64 bytes
        return torch.from_numpy(np.stack(arrays)).to(self.dtype, copy=True).to(self.device)


def initial_network(
    network: Network,
    rule: Rule,
    inputs: int,
    seeds: Sequence[int],
    feedbacks: Sequence[str | None],
    *,
    outputs: int = 1,
    scale: float = 1.0,
    precision: str = "float32",
    device: torch.device | str = "cpu",
    order: NDArray[np.int64] | None = None,
    portable: bool = False,
) -> PackedNetwork:
    """The network of P members before the first step.

    `seeds` and `feedbacks` (names of feedback initialisations; None where the rule has no feedback) have one
    entry for each member. Inputs are multiplied by `scale`. `order` (D,): row i of the first layer is row
    `order[i]` as drawn; None: they are in the order drawn. `portable`: see `PackedNetwork`.
    """
    members = Members(seeds, DTYPES[precision], torch.device(device))
    widths = (inputs, *network.hidden)
    top, last = len(network.hidden), widths[-1]
    return PackedNetwork(
        rule,
        ACTIVATIONS[rule.activation or network.activation],
        layers=[
            _hidden_layer(members, network, rule, layer, (widths[layer], widths[layer + 1]), order)
            for layer in range(top)
        ],
        output=members.weights(lambda rng: uniform(rng, (outputs, last), last), top),
        output_bias=members.weights(lambda rng: uniform(rng, (1, outputs), last), top, BIAS)
        if network.bias
        else None,
        feedback=_feedback(members, rule, feedbacks, (*widths[1:], outputs), network.feedback_scale),
        scale=scale,
        product_dtype=torch.bfloat16 if precision == "bfloat16" else DTYPES[precision],
        portable=portable,
    )


def uniform(rng: np.random.Generator, shape: tuple[int, int], fan_in: int) -> NDArray[np.float64]:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's default for linear layers, and the thesis'."""
    bound = 1 / np.sqrt(fan_in)
    return rng.uniform(-bound, bound, shape)


def _hidden_layer(
    members: Members,
    network: Network,
    rule: Rule,
    layer: int,
    shape: tuple[int, int],
    order: NDArray[np.int64] | None,
) -> Layer:
    """A layer with weights of `shape` (fan_in, fan_out), and its gate where the rule has one."""

    def weight(rng: np.random.Generator) -> NDArray[np.float64]:
        if rule.hidden_weights is not None:
            drawn = rule.hidden_weights(rng, shape, network.feature_std)
        else:
            drawn = uniform(rng, shape, shape[0])
        return drawn[order] if layer == 0 and order is not None else drawn

    def bias(rng: np.random.Generator) -> NDArray[np.float64]:
        row = (1, shape[1])
        return rng.uniform(0, 2 * np.pi, row) if rule.random_phase else uniform(rng, row, shape[0])

    def parts(weight_part: int, bias_part: int) -> tuple[Tensor, Tensor | None]:
        biased = network.bias or rule.random_phase
        return (
            members.weights(weight, layer, weight_part),
            members.weights(bias, layer, bias_part) if biased else None,
        )

    own = parts(WEIGHT, BIAS)
    return Layer(*own) if rule.gate is None else Layer(*own, *parts(GATE_WEIGHT, GATE_BIAS))


def _feedback(
    members: Members, rule: Rule, names: Sequence[str | None], widths: Sequence[int], scale: float
) -> list[Tensor | None]:
    """The feedback matrix of each hidden layer: (P, H_l, H_l+1), or (P, H_l, C) for a direct rule.

    `widths`: of the hidden layers, and of the output. The matrices are `scale` times what is drawn.
    """
    hidden = widths[:-1]
    if not rule.uses_feedback:
        return [None] * len(hidden)
    above = [widths[-1]] * len(hidden) if rule.direct else widths[1:]
    return [
        members.stack(
            [
                scale * FEEDBACK[str(name)](generator(seed, "feedback", layer), shape)
                for seed, name in zip(members.seeds, names, strict=True)
            ]
        )
        for layer, shape in enumerate(zip(hidden, above, strict=True))
    ]

"""The network of a pack: P members' weights side by side, their gradients in closed form.

Shapes: P members, B tuples a batch, D inputs, H hidden units. The member axis leads everywhere,
and no number of one member depends on another's: a packed trial equals the trial alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.learning.matmul import multiply, tuple_sums, whole
from dfa_tune.learning.optimizers._base import Base, product
from dfa_tune.learning.rules._rule import Rule
from dfa_tune.learning.settings import Network
from dfa_tune.problems.streams import generator
from dfa_tune.registry import ACTIVATIONS, FEEDBACK

DTYPES = {"float32": torch.float32, "bfloat16": torch.float32, "float64": torch.float64}  # of the weights


@dataclass
class Layer:
    """A hidden layer of all members; `trained` false: nothing here ever changes."""

    weight: Tensor  # (P, fan_in, fan_out)
    bias: Tensor | None  # (P, 1, fan_out)
    gate_weight: Tensor | None = None  # frozen, as `weight`
    gate_bias: Tensor | None = None


@dataclass
class Pass:
    """What a forward pass leaves for the backward pass, by hidden layer."""

    inputs: list[Tensor | None]  # (P or 1, B, fan_in): what the layer saw; None where its products were known
    slopes: list[Tensor | None]  # (P, B, H): dh/da; None: 1
    outputs: list[Tensor]  # (P or 1, B, H): h
    logits: Tensor  # (P, B)


class PackedNetwork:
    """Weights of P members and how their gradients come about under one rule.

    Inputs arrive as (value - mean), (P or 1, B, D); `scale` is 1 / std and is folded into the first
    layer's products. `seeds` and `feedbacks` are the members' own; members with one seed start alike.
    `order` (D,): which of the initial first layer's rows belongs to each input; None: they agree.
    """

    def __init__(
        self,
        network: Network,
        rule: Rule,
        inputs: int,
        seeds: Sequence[int],
        feedbacks: Sequence[str | None],
        *,
        scale: float = 1.0,
        precision: str = "float32",
        device: torch.device | str = "cpu",
        order: NDArray[np.int64] | None = None,
    ) -> None:
        self.rule, self.scale, self._order = rule, scale, order
        self.dtype = DTYPES[precision]
        self.product_dtype = torch.bfloat16 if precision == "bfloat16" else self.dtype
        self.activation = ACTIVATIONS[rule.activation or network.activation]
        self.device = torch.device(device)
        self.members = len(seeds)
        widths = (inputs, *network.hidden)
        self.layers = [
            self._initial_layer(network, seeds, layer, (widths[layer], widths[layer + 1]))
            for layer in range(len(network.hidden))
        ]
        top = widths[-1]
        self.output = self._stack(
            [_uniform(generator(s, "weights", len(self.layers)), (1, top), top) for s in seeds]
        )
        self.output_bias: Tensor | None = None
        if network.bias:
            draws = [_uniform(generator(s, "weights", len(self.layers), 1), (1, 1), top) for s in seeds]
            self.output_bias = self._stack(draws)
        self.feedback = self._initial_feedback(seeds, feedbacks, widths[1:])

    # -- initial values -------------------------------------------------------------------------

    def _stack(self, arrays: list[NDArray[np.float64]]) -> Tensor:
        # A copy even in float64: NumPy's arrays may begin anywhere, torch's at a multiple of 64 bytes
        return torch.from_numpy(np.stack(arrays)).to(self.dtype, copy=True).to(self.device)

    def _initial_layer(
        self, network: Network, seeds: Sequence[int], layer: int, shape: tuple[int, int]
    ) -> Layer:
        rule = self.rule

        def weights(part: int) -> Tensor:
            rngs = [generator(seed, "weights", layer, part) for seed in seeds]
            if rule.hidden_weights is not None:
                drawn = [rule.hidden_weights(rng, shape, network.feature_std) for rng in rngs]
            else:
                drawn = [_uniform(rng, shape, shape[0]) for rng in rngs]
            if layer == 0 and self._order is not None:
                drawn = [matrix[self._order] for matrix in drawn]
            return self._stack(drawn)

        def biases(part: int) -> Tensor | None:
            rngs = [generator(seed, "weights", layer, part) for seed in seeds]
            if rule.random_phase:
                return self._stack([rng.uniform(0, 2 * np.pi, (1, shape[1])) for rng in rngs])
            return (
                self._stack([_uniform(rng, (1, shape[1]), shape[0]) for rng in rngs])
                if network.bias
                else None
            )

        if rule.gate is None:
            return Layer(weights(0), biases(1))
        return Layer(weights(0), biases(1), weights(2), biases(3))

    def _initial_feedback(
        self, seeds: Sequence[int], feedbacks: Sequence[str | None], widths: Sequence[int]
    ) -> list[Tensor | None]:
        if not self.rule.uses_feedback:
            return [None] * len(widths)
        above = [1] * len(widths) if self.rule.direct else [*widths[1:], 1]
        return [
            self._stack(
                [
                    FEEDBACK[str(name)](generator(seed, "feedback", layer), (widths[layer], above[layer]))
                    for seed, name in zip(seeds, feedbacks, strict=True)
                ]
            )
            for layer in range(len(widths))
        ]

    # -- forward and backward -------------------------------------------------------------------

    def forward(self, x: Tensor | None, known: Tensor | None = None) -> Pass:
        """The logits (P, B) of inputs (P or 1, B, D).

        `known` (P or 1, B, H): the first layer's frozen products with their bias, where they are known: the
        gate's, or the layer's own where it is not trained; then no x is needed.
        """
        done = Pass([], [], [], self.output)
        h = x
        for position, layer in enumerate(self.layers):
            first = known if position == 0 else None
            scale = self.scale if position == 0 else 1.0
            done.inputs.append(h)
            slope: Tensor | None
            if self.rule.gate is not None:
                assert layer.gate_weight is not None
                gate = first
                if gate is None:
                    gate = self._affine(h, layer.gate_weight, layer.gate_bias, scale)
                slope = self.rule.gate(gate)
                h = self._affine(h, layer.weight, layer.bias, scale).mul_(slope)
            else:
                a = first
                if a is None:
                    a = self._affine(h, layer.weight, layer.bias, scale)
                h = self.activation.value(a)
                derivative = self.activation.derivative
                slope = derivative(a, h) if derivative is not None and self.rule.trains_hidden else None
            done.slopes.append(slope)
            done.outputs.append(h)
        assert h is not None
        # Not a product with a single column: its bits would depend on the number of members
        logits = (h * self.output).sum(2)
        done.logits = logits if self.output_bias is None else logits + self.output_bias[:, :, 0]
        return done

    def _affine(self, x: Tensor | None, weight: Tensor, bias: Tensor | None, scale: float) -> Tensor:
        """scale * x W + b, (P, B, H), accumulated and returned in the weights' type.

        Members with one stream of data share x (1, B, D), which is never copied: with a stride of 0 between
        members it is read again for each, on a GPU from its cache. One product with a wide (D, P H) has the
        same work and the same tiles, but would leave each member's weights, and its optimizer's state, in
        rows far apart; `benchmarks/gpu.py` measures both products.
        """
        assert x is not None
        members, batch = weight.shape[0], x.shape[1]
        if self.product_dtype != self.dtype or not whole(batch, *weight.shape[1:]):
            a = multiply(self.operand(x), self.operand(weight)).to(self.dtype).mul_(scale)
            return a if bias is None else a.add_(bias)
        x = x.expand(members, -1, -1)
        if bias is None:
            a = weight.new_empty(members, batch, weight.shape[2])
            return torch.baddbmm(a, x, weight, beta=0, alpha=scale, out=a)
        return torch.baddbmm(bias, x, weight, alpha=scale)

    def deltas(self, done: Pass, error: Tensor, *, backpropagate: bool = False) -> list[Tensor]:
        """delta_l (P, B, H_l) of every hidden layer, from the output error (P, B).

        `backpropagate`: BP's instead of the rule's, to compare with.
        """
        rule = self.rule
        signal, top = error.unsqueeze(2), len(self.layers) - 1
        deltas: list[Tensor] = []
        for position in range(top, -1, -1):
            weight = self.output.transpose(1, 2) if position == top else self.layers[position + 1].weight
            matrix = weight
            if rule.transport is not None and not backpropagate:
                matrix = rule.transport(weight, self.feedback[position])
            direct = rule.direct and not backpropagate
            above = error.unsqueeze(2) if direct or position == top else signal
            if matrix.shape[2] == 1:  # an outer product, without a product with a single row
                signal = above * matrix.transpose(1, 2)
            else:
                signal = self._transposed_product(above, matrix)
            slope = done.slopes[position]
            if slope is not None:
                signal = signal.mul_(slope)
            deltas.append(signal)
        return deltas[::-1]

    def _transposed_product(self, delta: Tensor, matrix: Tensor) -> Tensor:
        return multiply(self.operand(delta), self.operand(matrix).transpose(1, 2)).to(self.dtype)

    def first_gradient(self, done: Pass, deltas: Sequence[Tensor]) -> Tensor:
        """The first layer's gradient x^T delta, (P, D, H)."""
        out = torch.empty_like(self.layers[0].weight)
        product(self.operand(done.inputs[0]), deltas[0], self.scale, out)
        return out

    def operand(self, x: Tensor | None) -> Tensor:
        """x in the products' type."""
        assert x is not None
        return x if self.product_dtype == self.dtype else x.to(self.product_dtype)

    # -- one step -------------------------------------------------------------------------------

    def parameters(self) -> dict[str, Tensor]:
        """What is trained, by name; all (P, rows, columns)."""
        named: dict[str, Tensor | None] = {"output.weight": self.output, "output.bias": self.output_bias}
        if self.rule.trains_hidden:
            for position, layer in enumerate(self.layers):
                named[f"hidden.{position}.weight"] = layer.weight
                named[f"hidden.{position}.bias"] = layer.bias
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    def frozen(self) -> dict[str, Tensor]:
        """What stays as it was drawn: frozen layers, gates and feedback matrices."""
        named: dict[str, Tensor | None] = {}
        for position, layer in enumerate(self.layers):
            if not self.rule.trains_hidden:
                named[f"hidden.{position}.weight"] = layer.weight
                named[f"hidden.{position}.bias"] = layer.bias
            named[f"hidden.{position}.gate_weight"] = layer.gate_weight
            named[f"hidden.{position}.gate_bias"] = layer.gate_bias
            named[f"feedback.{position}"] = self.feedback[position]
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    def frozen_products(self, member: int) -> tuple[Tensor, Tensor | None]:
        """A member's matrix (1, D, H) and bias whose products with the inputs never change."""
        layer, part = self.layers[0], slice(member, member + 1)
        gated = self.rule.gate is not None
        weight, bias = (layer.gate_weight, layer.gate_bias) if gated else (layer.weight, layer.bias)
        assert weight is not None
        return weight[part], None if bias is None else bias[part]

    def apply(
        self,
        done: Pass,
        error: Tensor,
        deltas: Sequence[Tensor],
        optimizers: dict[str, Base],
        learning_rate: Tensor,
        decay: float,
        t: int | Tensor,
        buffers: dict[str, Tensor],
    ) -> None:
        """One optimizer step t of every trained parameter; error (P, B) and deltas come from one pass."""

        def step(name: str, gradient: Tensor) -> None:
            if decay:
                gradient = gradient.add_(optimizers[name].parameter, alpha=decay)
            optimizers[name].step(gradient, learning_rate, t)

        for position, delta in enumerate(deltas):
            name = f"hidden.{position}.weight"
            scale = self.scale if position == 0 else 1.0
            operand = self.operand(done.inputs[position])
            if name not in buffers:
                buffers[name] = torch.empty_like(optimizers[name].parameter)
            optimizers[name].step_product(operand, delta, scale, learning_rate, decay, t, buffers[name])
            if self.layers[position].bias is not None:
                step(f"hidden.{position}.bias", delta.sum(1, keepdim=True))
        step("output.weight", (done.outputs[-1] * error.unsqueeze(2)).sum(1, keepdim=True))
        if self.output_bias is not None:
            step("output.bias", tuple_sums(error).view(-1, 1, 1))


def _uniform(rng: np.random.Generator, shape: tuple[int, int], fan_in: int) -> NDArray[np.float64]:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default and the thesis'."""
    bound = 1 / np.sqrt(fan_in)
    return rng.uniform(-bound, bound, shape)

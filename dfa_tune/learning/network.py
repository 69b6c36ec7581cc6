"""The network of a pack: P members' weights side by side, their forward pass, and gradients in closed form.

Shapes: P members, B tuples in a batch, D inputs, H hidden units, C outputs. The member axis comes first
everywhere, and no number of one member depends on another member's: a packed trial equals the trial alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dfa_tune.learning.activations._activation import Activation
from dfa_tune.learning.matmul import GradientProduct, multiply, whole
from dfa_tune.learning.rules._rule import Rule


@dataclass
class Layer:
    """A hidden layer of all members. The gate is frozen; the rest too where the rule says so."""

    weight: Tensor  # (P, fan_in, fan_out)
    bias: Tensor | None  # (P, 1, fan_out)
    gate_weight: Tensor | None = None  # as `weight`
    gate_bias: Tensor | None = None


@dataclass
class Pass:
    """What a forward pass leaves for the backward pass; lists have one entry for each hidden layer."""

    inputs: list[Tensor | None]  # (P or 1, B, fan_in): what the layer saw; None where its products were known
    slopes: list[Tensor | None]  # (P, B, H): dh/da; None: 1
    outputs: list[Tensor]  # (P or 1, B, H): h
    logits: Tensor  # (P, B, C)


class PackedNetwork:
    """The weights of P members, and their forward pass under one rule.

    Inputs arrive as (value - mean), (P or 1, B, D); `scale` is 1 / std and is part of the first layer's
    products. `product_dtype`: the type in which matrices are multiplied; the weights have their own.
    """

    def __init__(
        self,
        rule: Rule,
        activation: Activation,
        *,
        layers: list[Layer],
        output: Tensor,
        output_bias: Tensor | None,
        feedback: list[Tensor | None],
        scale: float,
        product_dtype: torch.dtype,
    ) -> None:
        self.rule, self.activation, self.scale = rule, activation, scale
        self.layers, self.feedback = layers, feedback
        self.output, self.output_bias = output, output_bias  # (P, C, H) and (P, 1, C)
        self.dtype, self.product_dtype, self.device = output.dtype, product_dtype, output.device

    # -- forward and backward pass --------------------------------------------------------------

    def forward(self, x: Tensor | None, known: Tensor | None = None) -> Pass:
        """The logits (P, B, C) of inputs (P or 1, B, D), and what the backward pass needs.

        `known` (P or 1, B, H): the first layer's frozen products with their bias, where they are known. They
        are the gate's; without a gate they are the layer's own, which is frozen, and no x is needed.
        """
        inputs: list[Tensor | None] = []
        slopes: list[Tensor | None] = []
        outputs: list[Tensor] = []
        h = x
        for position, layer in enumerate(self.layers):
            first = position == 0
            inputs.append(h)
            slope, h = self._hidden(layer, h, known if first else None, self.scale if first else 1.0)
            slopes.append(slope)
            outputs.append(h)
        return Pass(inputs, slopes, outputs, self._logits(outputs[-1]))

    def _logits(self, h: Tensor) -> Tensor:
        """(P, B, C) of the last hidden layer's h (P or 1, B, H)."""
        if self.output.shape[1] == 1:
            # Not a product with a single column: its bits would depend on the number of members
            logits = (h * self.output).sum(2, keepdim=True)
        else:
            logits = multiply(self.operand(h), self.operand(self.output).transpose(1, 2)).to(self.dtype)
        return logits if self.output_bias is None else logits + self.output_bias

    def _hidden(
        self, layer: Layer, x: Tensor | None, known: Tensor | None, scale: float
    ) -> tuple[Tensor | None, Tensor]:
        """A hidden layer's slope dh/da (None: 1, or not needed) and output h, (P or 1, B, H) each."""
        if self.rule.gate is not None:
            assert layer.gate_weight is not None
            gate = known if known is not None else self._affine(x, layer.gate_weight, layer.gate_bias, scale)
            slope = self.rule.gate(gate)
            return slope, self._affine(x, layer.weight, layer.bias, scale).mul_(slope)
        a = known if known is not None else self._affine(x, layer.weight, layer.bias, scale)
        h = self.activation.value(a)
        derivative = self.activation.derivative
        return derivative(a, h) if derivative is not None and self.rule.trains_hidden else None, h

    def _affine(self, x: Tensor | None, weight: Tensor, bias: Tensor | None, scale: float) -> Tensor:
        """scale * x W + b, (P, B, H), accumulated and returned in the weights' type.

        Members that see the same data share x, (1, B, D). It is not copied: with a stride of 0 between
        members it is read again for each, on a GPU from its cache. One product with a wide (D, P H) takes as
        much work in as many tiles, but the rows of each member's weights, and of its optimizer's state, would
        lie far apart; `benchmarks/gpu.py` measures both products.
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

    def gradient_product(self, done: Pass, delta: Tensor, layer: int, out: Tensor) -> GradientProduct:
        """The gradient of a hidden layer's weights under `delta`, to be written into `out`, (P, D, H)."""
        x = done.inputs[layer]
        assert x is not None
        return GradientProduct(self.operand(x), delta, self.scale if layer == 0 else 1.0, out)

    def output_gradient_product(self, done: Pass, error: Tensor, out: Tensor) -> GradientProduct:
        """The gradient error^T h of the output weights, to be written into `out`, (P, C, H)."""
        h = done.outputs[-1].expand(error.shape[0], -1, -1)
        return GradientProduct(self.operand(error), h, 1.0, out)

    def gradient(self, done: Pass, delta: Tensor, layer: int) -> Tensor:
        """The gradient of a hidden layer's weights under `delta`, (P, D, H), in memory of its own."""
        return self.gradient_product(
            done, delta, layer, torch.empty_like(self.layers[layer].weight)
        ).compute()

    def operand(self, x: Tensor) -> Tensor:
        """x in the products' type."""
        return x if self.product_dtype == self.dtype else x.to(self.product_dtype)

    # -- parameters -----------------------------------------------------------------------------

    def parameters(self) -> dict[str, Tensor]:
        """What is trained, by name: (P, rows, columns) each."""
        named: dict[str, Tensor | None] = {"output.weight": self.output, "output.bias": self.output_bias}
        if self.rule.trains_hidden:
            for position, layer in enumerate(self.layers):
                named[f"hidden.{position}.weight"] = layer.weight
                named[f"hidden.{position}.bias"] = layer.bias
        if self.rule.feedback_gradient is not None:
            named |= {f"feedback.{layer}": matrix for layer, matrix in enumerate(self.feedback)}
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    def frozen(self) -> dict[str, Tensor]:
        """What stays as it was drawn: frozen layers, gates and fixed feedback matrices."""
        named: dict[str, Tensor | None] = {}
        for position, layer in enumerate(self.layers):
            if not self.rule.trains_hidden:
                named[f"hidden.{position}.weight"] = layer.weight
                named[f"hidden.{position}.bias"] = layer.bias
            named[f"hidden.{position}.gate_weight"] = layer.gate_weight
            named[f"hidden.{position}.gate_bias"] = layer.gate_bias
            if self.rule.feedback_gradient is None:
                named[f"feedback.{position}"] = self.feedback[position]
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    def frozen_products(self, member: int) -> tuple[Tensor, Tensor | None]:
        """A member's matrix (1, D, H) and bias whose products with the inputs never change: the gate's, or
        the layer's own where there is no gate.
        """
        layer, part = self.layers[0], slice(member, member + 1)
        gated = self.rule.gate is not None
        weight, bias = (layer.gate_weight, layer.gate_bias) if gated else (layer.weight, layer.bias)
        assert weight is not None
        return weight[part], None if bias is None else bias[part]

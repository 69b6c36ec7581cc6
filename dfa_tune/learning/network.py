"""The network of a pack: P members' weights side by side, their forward pass, and gradients in closed form.

Shapes: P members, B tuples in a batch, D inputs, H hidden units, C outputs. The member axis comes first
everywhere, and no number of one member depends on another member's: a packed trial equals the trial alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dfa_tune.learning.activations._activation import Activation
from dfa_tune.learning.first_layer import Inputs
from dfa_tune.learning.first_layer.dense import Dense
from dfa_tune.learning.matmul import GradientProduct, multiply
from dfa_tune.learning.rules._rule import Rule
from dfa_tune.learning.sums import over_units


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

    inputs: list[Inputs]  # (P or 1, B, fan_in): what the layer saw
    slopes: list[Tensor | None]  # (P, B, H): dh/da; None: 1
    outputs: list[Tensor]  # (P or 1, B, H): h
    logits: Tensor  # (P, B, C)


class PackedNetwork:
    """The weights of P members, and their forward pass under one rule.

    Inputs stand for (value - mean), (P or 1, B, D); `scale` is 1 / std and is part of the first layer's
    products. `product_dtype`: the type in which matrices are multiplied; the weights have their own.
    `portable`: take sums, and the optimizers' steps, so that their bits do not depend on the processor.
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
        portable: bool = False,
    ) -> None:
        self.rule, self.activation, self.scale = rule, activation, scale
        self.portable = portable
        self.layers, self.feedback = layers, feedback
        self.output, self.output_bias = output, output_bias  # (P, C, H) and (P, 1, C)
        self.dtype, self.product_dtype, self.device = output.dtype, product_dtype, output.device

    # -- forward and backward pass --------------------------------------------------------------

    def forward(self, inputs: Inputs | Tensor, gate: Inputs | None = None) -> Pass:
        """The logits (P, B, C) of inputs (P or 1, B, D), and what the backward pass needs.

        A tensor stands for dense inputs. `gate`: what the first layer's gate sees of the same batch, if it
        is another way to the products; None: the same inputs.
        """
        seen: list[Inputs] = []
        slopes: list[Tensor | None] = []
        outputs: list[Tensor] = []
        for position, layer in enumerate(self.layers):
            if position:
                below = self.dense(outputs[-1], 1.0)
            else:
                below = self.dense(inputs, self.scale) if isinstance(inputs, Tensor) else inputs
            slope, h = self._hidden(layer, below, gate or below)
            seen.append(below)
            slopes.append(slope)
            outputs.append(h)
        return Pass(seen, slopes, outputs, self._logits(outputs[-1]))

    def dense(self, x: Tensor, scale: float) -> Inputs:
        """x (P or 1, B, fan_in) as the inputs of a layer, which are multiplied by `scale`."""
        return Dense(x, scale, self.product_dtype)

    def _logits(self, h: Tensor) -> Tensor:
        """(P, B, C) of the last hidden layer's h (P or 1, B, H)."""
        if self.output.shape[1] == 1:
            logits = over_units(h, self.output, self.portable)
        else:
            logits = multiply(self.operand(h), self.operand(self.output).transpose(1, 2)).to(self.dtype)
        return logits if self.output_bias is None else logits + self.output_bias

    def _hidden(self, layer: Layer, inputs: Inputs, gate: Inputs) -> tuple[Tensor | None, Tensor]:
        """A hidden layer's slope dh/da (None: 1, or not needed) and output h, (P or 1, B, H) each."""
        if self.rule.gate is not None:
            assert layer.gate_weight is not None
            slope = self.rule.gate(gate.affine(layer.gate_weight, layer.gate_bias))
            return slope, inputs.affine(layer.weight, layer.bias).mul_(slope)
        a = inputs.affine(layer.weight, layer.bias)
        h = self.activation.value(a)
        derivative = self.activation.derivative
        return derivative(a, h) if derivative is not None and self.rule.trains_hidden else None, h

    def output_gradient_product(self, done: Pass, error: Tensor, out: Tensor) -> GradientProduct:
        """The gradient error^T h of the output weights, to be written into `out`, (P, C, H)."""
        h = done.outputs[-1].expand(error.shape[0], -1, -1)
        return GradientProduct(self.operand(error), h, 1.0, out)

    def gradient(self, done: Pass, delta: Tensor, layer: int) -> Tensor:
        """The gradient of a hidden layer's weights under `delta`, (P, D, H), in memory of its own."""
        return done.inputs[layer].gradient(delta, torch.empty_like(self.layers[layer].weight)).compute()

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

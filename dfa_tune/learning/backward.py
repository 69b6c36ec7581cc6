"""The backward pass: from the error of a batch to the gradients of the hidden layers, under any rule.

Shapes: P members, B tuples in a batch, H_l units in hidden layer l (from 0), C outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dfa_tune.learning.losses import Loss
from dfa_tune.learning.matmul import multiply
from dfa_tune.learning.network import PackedNetwork, Pass
from dfa_tune.learning.sums import over_tuples, over_units


@dataclass(frozen=True)
class Context:
    """A batch after its forward pass: what a rule may use to train the hidden layers.

    `error` (P, B, C): the gradient of the batch's mean loss by the logits. `targets` (P or 1, B, C): 1 at the
    label's class and 0 elsewhere; with a single output the label itself. No tensor here may be changed.
    """

    network: PackedNetwork
    done: Pass
    error: Tensor
    targets: Tensor
    loss: Loss

    @classmethod
    def of(cls, network: PackedNetwork, done: Pass, targets: Tensor, loss: Loss) -> Context:
        """The context of a forward pass, with its error."""
        # By the length of this batch: the last one of an epoch may be shorter
        error = loss.error(done.logits, targets).div_(done.logits.shape[1])
        return cls(network, done, error, targets, loss)

    @property
    def batch(self) -> int:
        """B."""
        return self.error.shape[1]

    @property
    def hidden(self) -> int:
        """How many hidden layers there are."""
        return len(self.network.layers)

    def output(self, layer: int) -> Tensor:
        """h_l, (P or 1, B, H_l)."""
        return self.done.outputs[layer]

    def weight_above(self, layer: int) -> Tensor:
        """The weights W from hidden layer l to the next, (P, H_l, H_l+1), or to the output, (P, H_l, C)."""
        if layer == self.hidden - 1:
            return self.network.output.transpose(1, 2)
        return self.network.layers[layer + 1].weight

    def feedback(self, layer: int) -> Tensor:
        """The feedback matrix B of hidden layer l: as the weights above, or (P, H_l, C) for a direct rule."""
        matrix = self.network.feedback[layer]
        assert matrix is not None  # a rule that asks has `uses_feedback`
        return matrix

    def sent_back(self, layer: int) -> Tensor:
        """M, which stands in the place of the weights above when the rule goes down to hidden layer l."""
        transport, weight = self.network.rule.transport, self.weight_above(layer)
        return weight if transport is None else transport(weight, self.network.feedback[layer])

    # -- products whose bits depend on neither the pack nor the number of threads ----------------

    def times(self, x: Tensor, matrix: Tensor) -> Tensor:
        """x M, (P, B, K), of x (P or 1, B, H) and M (P, H, K)."""
        if matrix.shape[2] == 1:
            return over_units(x, matrix.transpose(1, 2), self.network.portable)
        return multiply(self.network.operand(x), self.network.operand(matrix)).to(self.network.dtype)

    def times_transposed(self, x: Tensor, matrix: Tensor) -> Tensor:
        """x M^T, (P, B, H), of x (P or 1, B, K) and M (P, H, K)."""
        if matrix.shape[2] == 1:  # an outer product; no product with a single row keeps its bits
            return x * matrix.transpose(1, 2)
        operand = self.network.operand(matrix).transpose(1, 2)
        return multiply(self.network.operand(x), operand).to(self.network.dtype)

    def gradient(self, x: Tensor, delta: Tensor) -> Tensor:
        """x^T delta, (P, H, K), of x (P or 1, B, H) and delta (P, B, K)."""
        if delta.shape[2] == 1:
            return over_tuples(x, delta, self.network.portable).transpose(1, 2)
        product = multiply(self.network.operand(x).transpose(1, 2), self.network.operand(delta))
        return product.to(self.network.dtype)

    # -- what rules are made of -----------------------------------------------------------------

    def through(self, layer: int, signal: Tensor) -> Tensor:
        """signal * f'(a_l), (P, B, H_l): the delta of a layer whose outputs have the gradient `signal`.

        `signal` is a tensor of the rule's own, which is overwritten.
        """
        slope = self.done.slopes[layer]
        return signal if slope is None else signal.mul_(slope)

    def error_of(self, logits: Tensor) -> Tensor:
        """The gradient of the batch's mean loss by other logits (P, B, C), as those of a local readout."""
        return self.loss.error(logits, self.targets).div_(self.batch)

    def gradient_above(self, layer: int, deltas: list[Tensor]) -> Tensor:
        """The gradient of the weights above hidden layer l, as `weight_above`, under the rule's deltas."""
        delta = self.error if layer == self.hidden - 1 else deltas[layer + 1]
        return self.gradient(self.output(layer), delta)


def hidden_deltas(context: Context) -> list[Tensor]:
    """delta_l (P, B, H_l), the gradient of each hidden layer's preactivations, under the network's rule."""
    rule = context.network.rule
    if rule.deltas is not None:
        return rule.deltas(context)
    signal = context.error if rule.signal is None else rule.signal(context)
    matrices = [context.sent_back(layer) for layer in range(context.hidden)]
    return _downwards(context, signal, matrices, direct=rule.direct)


def bp_deltas(context: Context) -> list[Tensor]:
    """The same under backpropagation, whatever the rule: to compare with."""
    matrices = [context.weight_above(layer) for layer in range(context.hidden)]
    return _downwards(context, context.error, matrices, direct=False)


def _downwards(context: Context, signal: Tensor, matrices: list[Tensor], *, direct: bool) -> list[Tensor]:
    """delta_l = (s M_l^T) * f'(a_l), where s is the delta of the layer above, or `signal` if direct."""
    deltas: list[Tensor] = []
    above = signal
    for layer in reversed(range(context.hidden)):
        sent = context.times_transposed(signal if direct else above, matrices[layer])
        above = context.through(layer, sent)
        deltas.insert(0, above)
    return deltas

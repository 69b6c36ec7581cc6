"""One training step of a pack: forward pass, deltas, and the optimizers' update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from dfa_tune.learning.alignment import Similarity, alignments
from dfa_tune.learning.backward import Context, hidden_deltas
from dfa_tune.learning.batches import Batch
from dfa_tune.learning.epoch_sums import Sums
from dfa_tune.learning.first_layer import WeightGradient
from dfa_tune.learning.losses import Loss, one_hot
from dfa_tune.learning.network import PackedNetwork
from dfa_tune.learning.optimizers._base import Base
from dfa_tune.learning.sums import over_tuples, totals


class Step:
    """Takes training steps: each changes the network's parameters and the optimizers' state in place.

    Nothing here reads a number from the device or brings one there. So on a GPU the host runs ahead and
    steps queue up, and a step can be recorded (`cuda_graph.py`). `learning_rate` is (P, 1, 1). `options`: the
    optimizer's that are not at their default.
    """

    def __init__(
        self,
        network: PackedNetwork,
        loss: Loss,
        optimizer: type[Base],
        learning_rate: Tensor,
        decay: float,
        options: Mapping[str, float] | None = None,
    ) -> None:
        self.network, self._loss = network, loss
        self._learning_rate, self._decay = learning_rate, decay
        self.optimizers = {
            name: optimizer(parameter, **(options or {})) for name, parameter in network.parameters().items()
        }
        self._gradients: dict[str, Tensor] = {}  # memory for the gradients of weight matrices

    def take(self, batch: Batch, t: int | Tensor, sums: Sums | None) -> None:
        """Step number t (from 1) on a batch; its metrics are added to `sums` if there are any."""
        context = self._forward(batch, sums)
        deltas = hidden_deltas(context) if self.network.rule.trains_hidden else []
        self.update(context, deltas, t)

    def take_measured(self, batch: Batch, t: int, sums: Sums) -> dict[str, Tensor]:
        """The same step, and its alignments by the names of their columns: (P,), or (P, L) for L layers.

        For rules that train the hidden layers only.
        """
        weight = self.network.layers[0].weight
        context = self._forward(batch, sums)
        deltas = hidden_deltas(context)
        measured, bp_gradient = alignments(context, deltas)
        before = weight.clone()
        self.update(context, deltas, t)
        return measured | {"step_alignment": Similarity(before - weight, bp_gradient).cosine()}

    def update(self, context: Context, deltas: list[Tensor], t: int | Tensor) -> None:
        """The optimizers' step t for every trained parameter.

        `deltas`: the gradients of the hidden layers' preactivations, none where these layers are frozen.
        """
        network, done, error = self.network, context.done, context.error
        if (feedback_gradient := network.rule.feedback_gradient) is not None:
            for layer in range(context.hidden):
                self._update(f"feedback.{layer}", feedback_gradient(context, deltas, layer), t)
        for layer, delta in enumerate(deltas):
            name = f"hidden.{layer}.weight"
            self._update_product(name, done.inputs[layer].gradient(delta, self._memory(name)), t)
            if network.layers[layer].bias is not None:
                self._update(f"hidden.{layer}.bias", totals(delta, network.portable), t)
        if error.shape[2] == 1:  # not a product with a single row: its bits would depend on the pack
            gradient_of_row = over_tuples(done.outputs[-1], error, network.portable)
            self._update("output.weight", gradient_of_row, t)
        else:
            gradient = network.output_gradient_product(done, error, self._memory("output.weight"))
            self._update_product("output.weight", gradient, t)
        if network.output_bias is not None:
            self._update("output.bias", totals(error, network.portable), t)

    def evaluate(self, batch: Batch, sums: Sums) -> None:
        """Add the metrics of a batch to `sums`, and change nothing else."""
        sums.add(self.network.forward(batch.inputs, batch.gate).logits, batch.labels)

    def _memory(self, name: str) -> Tensor:
        """Memory for the gradient of a parameter, the same at every step."""
        if name not in self._gradients:
            self._gradients[name] = torch.empty_like(self.optimizers[name].parameter)
        return self._gradients[name]

    def _update_product(self, name: str, gradient: WeightGradient, t: int | Tensor) -> None:
        gradient.update(self.optimizers[name], self._learning_rate, self._decay, t)

    def _update(self, name: str, gradient: Tensor, t: int | Tensor) -> None:
        optimizer = self.optimizers[name]
        if self.network.portable and optimizer.step_portable(gradient, self._learning_rate, self._decay, t):
            return
        if self._decay:
            gradient = gradient.add_(optimizer.parameter, alpha=self._decay)
        optimizer.step(gradient, self._learning_rate, t)

    def _forward(self, batch: Batch, sums: Sums | None) -> Context:
        done = self.network.forward(batch.inputs, batch.gate)
        targets = one_hot(batch.labels, done.logits.shape[2])
        if sums is not None:
            sums.add(done.logits, batch.labels)
        return Context.of(self.network, done, targets, self._loss)


@contextmanager
def evaluated_parameters(optimizers: Mapping[str, Base]) -> Iterator[None]:
    """While open, the network holds the parameters to be tested (see `Base.evaluated`)."""
    kept: dict[str, Tensor] = {}
    for name, optimizer in optimizers.items():
        value = optimizer.evaluated()
        if value is not optimizer.parameter:
            kept[name] = optimizer.parameter.clone()
            optimizer.parameter.copy_(value)
    try:
        yield
    finally:
        for name, parameter in kept.items():
            optimizers[name].parameter.copy_(parameter)

"""One training step of a small network on random data, to compare with a formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.learning.backward import Context, hidden_deltas
from dfa_tune.learning.initialisation import initial_network
from dfa_tune.learning.losses import LOSSES, one_hot
from dfa_tune.learning.network import PackedNetwork, Pass
from dfa_tune.learning.settings import Network
from dfa_tune.learning.step import Step
from dfa_tune.registry import OPTIMIZERS, RULES

SCALE = 0.7  # of the inputs, folded into the first layer's products


@dataclass
class TakenStep:
    """A network of two members before one step, what was fed to it, and its parameters after the step.

    Parameters are by name: hidden.0.weight (P, D, H), hidden.0.bias (P, 1, H), output.weight (P, C, H),
    output.bias (P, 1, C); feedback.0 where it is trained.
    """

    network: PackedNetwork
    x: Tensor  # (P, B, D), not yet scaled
    labels: Tensor  # (P, B): 0 to C - 1, with one output 0 or 1
    loss: str
    done: Pass
    before: dict[str, Tensor]
    after: dict[str, Tensor]

    def gradients(self, learning_rate: float) -> dict[str, Tensor]:
        """(before - after) / learning rate, by parameter."""
        return {name: (self.before[name] - self.after[name]) / learning_rate for name in self.before}

    def seen(self, member: int) -> NDArray[np.float64]:
        """What the first layer of a member sees, (B, D)."""
        found: NDArray[np.float64] = self.x[member].numpy() * SCALE
        return found


def take_step(
    rule: str,
    *,
    hidden: Sequence[int] = (5,),
    activation: str = "relu",
    bias: bool = False,
    decay: float = 0.0,
    optimizer: str = "sgd",
    learning_rates: tuple[float, float] = (1.0, 1.0),
    feedback: str = "uniform",
    inputs: int = 6,
    batch: int = 9,
    outputs: int = 1,
    loss: str = "binary_cross_entropy",
    **settings: Any,
) -> TakenStep:
    """A step in float64: two members with weights and data of their own. `settings`: of the network."""
    chosen = RULES[rule]
    names = [feedback if chosen.uses_feedback else None] * 2
    network = initial_network(
        Network(hidden=tuple(hidden), activation=activation, bias=bias, **settings),
        chosen,
        inputs,
        [3, 4],
        names,
        outputs=outputs,
        scale=SCALE,
        precision="float64",
    )
    rng = np.random.default_rng(8)
    x = torch.from_numpy(rng.normal(size=(2, batch, inputs)) * 2)
    labels = torch.from_numpy(rng.integers(0, max(2, outputs), (2, batch)).astype(np.float64))
    before = {name: tensor.clone() for name, tensor in network.parameters().items()}
    done = network.forward(x)
    context = Context.of(network, done, one_hot(labels, outputs), LOSSES[loss])
    deltas = hidden_deltas(context) if chosen.trains_hidden else []
    rates = torch.tensor(learning_rates, dtype=torch.float64).view(2, 1, 1)
    Step(network, LOSSES[loss], OPTIMIZERS[optimizer], rates, decay).update(context, deltas, 1)
    after = {name: tensor.clone() for name, tensor in network.parameters().items()}
    return TakenStep(network, x, labels, loss, done, before, after)

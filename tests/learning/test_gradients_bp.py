"""The load-bearing correctness test: closed-form gradients against autograd, in float64.

Everything that is ever trained or compared with backpropagation rests on these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfa_tune.learning.backward import Context, hidden_deltas
from dfa_tune.learning.initialisation import initial_network
from dfa_tune.learning.losses import LOSSES
from dfa_tune.learning.settings import Network
from dfa_tune.learning.training import Member
from dfa_tune.problems.kinds import classification, parity
from dfa_tune.registry import RULES

SCALE = 0.7  # as in conftest
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "linear": lambda a: a}
HIDDEN = [(5,), (5, 4), (5, 4, 3), (1,), (3, 1)]


def autograd(step: Any, activation: str, member: int, decay: float = 0.0) -> dict[str, Tensor]:
    """The gradients of one member's mean loss, and of decay / 2 times its squared weights, by autograd."""
    parameters = {name: t[member].clone().requires_grad_() for name, t in step.before.items()}
    h = step.x[member] * SCALE
    for layer in range(len(step.network.layers)):
        a = h @ parameters[f"hidden.{layer}.weight"]
        if (bias := parameters.get(f"hidden.{layer}.bias")) is not None:
            a = a + bias
        h = ACTIVATIONS[activation](a)
    return _gradients(step, parameters, h, member, decay)


def gated_autograd(step: Any, gate: Callable[[Tensor], Tensor], member: int) -> dict[str, Tensor]:
    """The same for h = (W x + b) * gate(W_g x + b_g), whose gate is frozen: through W and b alone."""
    parameters = {name: t[member].clone().requires_grad_() for name, t in step.before.items()}
    x, layer = step.x[member] * SCALE, step.network.layers[0]
    a, g = x @ parameters["hidden.0.weight"], x @ layer.gate_weight[member]
    if "hidden.0.bias" in parameters:
        a, g = a + parameters["hidden.0.bias"], g + layer.gate_bias[member]
    return _gradients(step, parameters, a * gate(g), member, 0.0)


def mean_loss(name: str, logits: Tensor, labels: Tensor) -> Tensor:
    """PyTorch's own: over C logits, a softmax or as many sigmoids; over a single one, a sigmoid."""
    if name == "cross_entropy":
        return F.cross_entropy(logits, labels.long())
    targets = labels[:, None] if logits.shape[1] == 1 else F.one_hot(labels.long(), logits.shape[1]).double()
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(labels)


def _gradients(
    step: Any, parameters: dict[str, Tensor], h: Tensor, member: int, decay: float
) -> dict[str, Tensor]:
    logits = h @ parameters["output.weight"].T
    if "output.bias" in parameters:
        logits = logits + parameters["output.bias"]
    torch.testing.assert_close(step.done.logits[member], logits.detach(), rtol=1e-12, atol=1e-14)
    loss = mean_loss(step.loss, logits, step.labels[member])
    loss = loss + decay / 2 * sum(((p**2).sum() for p in parameters.values()), torch.zeros(()))
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


def assert_equal(step: Any, expected: list[dict[str, Tensor]], learning_rates: tuple[float, float]) -> None:
    for member, rate in enumerate(learning_rates):
        found = step.gradients(rate)
        assert set(found) == set(expected[member])
        for name, gradient in expected[member].items():
            torch.testing.assert_close(found[name][member], gradient, rtol=1e-10, atol=1e-13, msg=name)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])  # fused into the product, and after it
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", ["relu", "tanh", "linear"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_bp_is_autograd(
    one_step: Callable[..., Any], hidden: tuple[int, ...], activation: str, bias: bool, optimizer: str
) -> None:
    rates = (1.0, 0.5)
    step = one_step(
        "bp", hidden=hidden, activation=activation, bias=bias, optimizer=optimizer, learning_rates=rates
    )
    assert_equal(step, [autograd(step, activation, member) for member in (0, 1)], rates)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("outputs", [2, 10, 16])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_bp_with_several_outputs_is_autograd(
    one_step: Callable[..., Any],
    hidden: tuple[int, ...],
    activation: str,
    outputs: int,
    loss: str,
    optimizer: str,
) -> None:
    for bias in (False, True):
        given = {"hidden": hidden, "activation": activation, "bias": bias, "optimizer": optimizer}
        step = one_step("bp", outputs=outputs, loss=loss, **given)
        assert_equal(step, [autograd(step, activation, member) for member in (0, 1)], (1.0, 1.0))


def test_a_product_without_padding_is_autograd_too(one_step: Callable[..., Any]) -> None:
    for optimizer in ("sgd", "momentum"):
        given = {"outputs": 16, "batch": 32, "inputs": 16, "optimizer": optimizer}
        step = one_step("bp", hidden=(16, 32), loss="cross_entropy", decay=0.1, **given)
        assert_equal(step, [autograd(step, "relu", member, decay=0.1) for member in (0, 1)], (1.0, 1.0))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_weight_decay_is_added_to_the_gradient_of_every_parameter(
    one_step: Callable[..., Any], hidden: tuple[int, ...], optimizer: str
) -> None:
    rates = (0.5, 2.0)
    step = one_step("bp", hidden=hidden, bias=True, decay=0.1, optimizer=optimizer, learning_rates=rates)
    assert_equal(step, [autograd(step, "relu", member, decay=0.1) for member in (0, 1)], rates)


@pytest.mark.parametrize("outputs", [1, 10])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("rule", "gate"), [("ntk", torch.sigmoid), ("galu", lambda a: (a > 0).double())], ids=["ntk", "galu"]
)
def test_a_gated_rule_is_autograd_through_its_ungated_weights(
    one_step: Callable[..., Any], rule: str, gate: Callable[[Tensor], Tensor], bias: bool, outputs: int
) -> None:
    step = one_step(rule, hidden=(5,), bias=bias, outputs=outputs)
    assert_equal(step, [gated_autograd(step, gate, member) for member in (0, 1)], (1.0, 1.0))


def test_gated_rules_ignore_the_activation(one_step: Callable[..., Any]) -> None:
    a, b = (one_step("ntk", activation=name) for name in ("relu", "tanh"))
    assert torch.equal(a.done.logits, b.done.logits)


def test_the_first_layers_gradient_is_that_of_the_step(one_step: Callable[..., Any]) -> None:
    step = one_step("bp", hidden=(5, 4))
    fresh = one_step("bp", hidden=(5, 4)).network
    for name, tensor in fresh.parameters().items():
        tensor.copy_(step.before[name])
    done = fresh.forward(step.x)
    context = Context.of(fresh, done, step.labels.unsqueeze(2), LOSSES[step.loss])
    gradient = fresh.gradient(done, hidden_deltas(context)[0], 0)
    torch.testing.assert_close(gradient, step.gradients(1.0)["hidden.0.weight"], rtol=1e-10, atol=1e-13)


def test_members_may_share_one_batch() -> None:
    network = initial_network(
        Network(hidden=(5, 3)), RULES["bp"], 6, [0, 1, 2], [None] * 3, precision="float64"
    )
    x = torch.randn(1, 8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shared, own = network.forward(x), network.forward(x.expand(3, -1, -1).contiguous())
    targets = torch.ones(1, 8, 1, dtype=torch.float64)
    one, each = (
        hidden_deltas(Context.of(network, done, targets, LOSSES["binary_cross_entropy"]))
        for done in (shared, own)
    )
    for a, b in zip(one, each, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(network.gradient(shared, one[0], 0), network.gradient(own, each[0], 0))


# -- a whole training against torch.nn and torch.optim ------------------------------------------

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda p, **given: torch.optim.SGD(p, momentum=0.9, **given),
    "nesterov": lambda p, **given: torch.optim.SGD(p, momentum=0.9, nesterov=True, **given),
    "adadelta": lambda p, **given: torch.optim.Adadelta(p, rho=0.9, eps=1e-8, **given),
    "adam": lambda p, **given: torch.optim.Adam(p, eps=1e-8, **given),
}


def torch_model(weights: dict[str, Tensor], layers: int) -> nn.Sequential:
    """The same network in torch.nn: ReLU between linear layers, biases everywhere."""
    modules: list[nn.Module] = []
    for name in [f"hidden.{layer}" for layer in range(layers)] + ["output"]:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        matrix = weight if name == "output" else weight.T
        linear = nn.Linear(matrix.shape[1], matrix.shape[0], dtype=torch.float64)
        linear.weight.data, linear.bias.data = matrix.clone(), bias.flatten().clone()
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_is_that_of_torch_nn_and_torch_optim(run: Callable[..., Any], optimizer: str) -> None:
    """Two epochs, the second's batches with a remainder: data, normalisation, losses, accuracies, weights."""
    settings = parity.Settings(dataset="digits", k=2, train_samples=50, test_samples=40)
    problem, rate, seed = parity.Problem(settings), 0.05, 11
    start = initial_network(
        Network(hidden=(7, 5), bias=True), RULES["bp"], problem.inputs, [seed], [None], precision="float64"
    )
    model = torch_model({name: tensor[0] for name, tensor in start.parameters().items()}, 2)
    steps = OPTIMIZERS[optimizer](model.parameters(), lr=rate, weight_decay=0.01)

    def batch(draw: Any, part: slice) -> tuple[Tensor, Tensor]:
        x = (torch.from_numpy(draw.gather(part)).double() - problem.mean) / problem.std
        return x, torch.from_numpy(draw.labels[part]).double()

    found = run(
        settings,
        [Member(rate, seed)],
        optimizer=optimizer,
        network={"hidden": (7, 5), "bias": True},
        precision="float64",
        weight_decay=0.01,
    )
    for epoch, row in enumerate(found.rows[0], 1):
        draw, losses, hits = problem.train(seed, epoch), 0.0, 0.0
        for begin in range(0, 50, 16):
            x, labels = batch(draw, slice(begin, begin + 16))
            logits = model(x).squeeze(1)
            loss = F.binary_cross_entropy_with_logits(logits, labels)
            losses += loss.item() * len(labels)
            hits += ((logits > 0) == (labels > 0)).sum().item()
            steps.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            steps.step()
        assert row["train_loss"] == pytest.approx(losses / 50, rel=1e-9)
        assert row["train_accuracy"] == hits / 50
        if optimizer == "nesterov":  # torch keeps the look-ahead point; see test_training.py
            continue
        x, labels = batch(problem.test(seed, epoch), slice(None))
        with torch.no_grad():
            logits = model(x).squeeze(1)
        assert row["test_loss"] == pytest.approx(
            F.binary_cross_entropy_with_logits(logits, labels).item(), rel=1e-9
        )
        assert row["test_accuracy"] == ((logits > 0) == (labels > 0)).double().mean().item()


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_a_training_of_ten_classes_is_that_of_torch_nn(run: Callable[..., Any], loss: str) -> None:
    settings = classification.Settings(dataset="digits", train_samples=50)
    problem, rate, seed = classification.Problem(settings), 0.2, 11
    start = initial_network(
        Network(hidden=(7, 5), bias=True),
        RULES["bp"],
        problem.inputs,
        [seed],
        [None],
        outputs=10,
        precision="float64",
    )
    model = torch_model({name: tensor[0] for name, tensor in start.parameters().items()}, 2)
    steps = torch.optim.SGD(model.parameters(), lr=rate)
    found = run(
        settings,
        [Member(rate, seed)],
        network={"hidden": (7, 5), "bias": True},
        precision="float64",
        loss=loss,
    )
    for epoch, row in enumerate(found.rows[0], 1):
        draw, losses = problem.train(seed, epoch), 0.0
        for begin in range(0, 50, 16):
            part = slice(begin, begin + 16)
            x = (torch.from_numpy(draw.gather(part)).double() - problem.mean) / problem.std
            labels = torch.from_numpy(draw.labels[part]).double()
            value = mean_loss(loss, model(x), labels)
            losses += value.item() * len(labels)
            steps.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            steps.step()
        assert row["train_loss"] == pytest.approx(losses / 50, rel=1e-9)
        tested = problem.test(seed, epoch)
        x = (torch.from_numpy(tested.gather()).double() - problem.mean) / problem.std
        labels = torch.from_numpy(tested.labels).double()
        with torch.no_grad():
            logits = model(x)
        assert row["test_loss"] == pytest.approx(mean_loss(loss, logits, labels).item(), rel=1e-9)
        assert row["test_accuracy"] == (logits.argmax(1) == labels).double().mean().item()
        assert row["gradient_alignment"] == pytest.approx(1, abs=1e-12)

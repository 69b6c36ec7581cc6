"""Rules with feedback against their formulas, written out in NumPy in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from dfa_tune.learning.backward import Context, hidden_deltas
from dfa_tune.learning.initialisation import initial_network
from dfa_tune.learning.losses import LOSSES, one_hot
from dfa_tune.learning.rules import Rule
from dfa_tune.learning.settings import Network
from dfa_tune.learning.step import Step
from dfa_tune.learning.training import Member
from dfa_tune.problems.kinds import clusters
from dfa_tune.registry import OPTIMIZERS
from dfa_tune.registry import RULES as REGISTERED

SCALE = 0.7  # as in conftest
Array = NDArray[np.float64]
HIDDEN = [(5,), (5, 4), (5, 4, 3), (4, 1, 3)]
FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda a: np.maximum(a, 0), lambda a: (a > 0).astype(np.float64)),
    "tanh": (np.tanh, lambda a: 1 / np.cosh(a) ** 2),
    "linear": (lambda a: a, np.ones_like),
}


def dfa_errors(error: Array, weights: list[Array], feedback: list[Array], slopes: list[Array]) -> list[Array]:
    """delta_l = (e B_l^T) * f'(a_l): the output error goes to every hidden layer (Nokland 2016)."""
    return [(error @ b.T) * slope for b, slope in zip(feedback, slopes, strict=True)]


def fa_errors(error: Array, weights: list[Array], feedback: list[Array], slopes: list[Array]) -> list[Array]:
    """delta_l = (delta_{l+1} B_l^T) * f'(a_l), with B_l in the place of W_{l+1} (Lillicrap et al. 2014)."""
    deltas = [error]
    for b, slope in zip(feedback[::-1], slopes[::-1], strict=True):
        deltas.insert(0, (deltas[0] @ b.T) * slope)
    return deltas[:-1]


def sign_errors(
    error: Array, weights: list[Array], feedback: list[Array], slopes: list[Array]
) -> list[Array]:
    """As FA with B_l = sign(W_{l+1}) / sqrt(H_l) (Liao et al. 2016)."""
    return fa_errors(error, weights, [np.sign(w) / np.sqrt(len(w)) for w in weights[1:]], slopes)


RULES = {
    "dfa": dfa_errors,
    "fa": fa_errors,
    "sign_symmetric": sign_errors,
    "sdfa": dfa_errors,  # with another signal in the error's place
    "drtp": dfa_errors,
    "kolen_pollack": fa_errors,  # and its feedback learns: the gradients of that are below
}


def signal(rule: str, error: Array, targets: Array) -> Array:
    """What is sent to the hidden layers (Frenkel et al. 2021): for `drtp` the target, with the other sign."""
    if rule == "sdfa":
        return np.sign(error) / len(error)
    return -targets / len(error) if rule == "drtp" else error


def expected(step: Any, rule: str, activation: str, member: int) -> dict[str, Array]:
    """The gradients of one member under `rule`."""
    value, derivative = FUNCTIONS[activation]
    before = {name: tensor[member].numpy() for name, tensor in step.before.items()}
    count = len(step.network.layers)
    weights = [before[f"hidden.{layer}.weight"] for layer in range(count)] + [before["output.weight"].T]
    biases = [before.get(f"hidden.{layer}.bias", 0.0) for layer in range(count)]
    h, slopes = [step.x[member].numpy() * SCALE], []
    for weight, bias in zip(weights, biases, strict=False):
        a = h[-1] @ weight + bias
        slopes.append(derivative(a))
        h.append(value(a))
    logits = h[-1] @ weights[-1] + before.get("output.bias", 0.0)
    labels = step.labels[member].numpy()[:, None]
    outputs = logits.shape[1]
    targets = labels if outputs == 1 else labels == np.arange(outputs)
    if step.loss == "cross_entropy":
        predicted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    else:
        predicted = 1 / (1 + np.exp(-logits))
    error = (predicted - targets) / len(labels)
    fixed = [b[member].numpy() for b in step.network.feedback if b is not None]
    feedback = [before.get(f"feedback.{layer}", b) for layer, b in enumerate(fixed)]  # as before the step
    sent = signal(rule, error, np.asarray(targets, dtype=np.float64))
    deltas = [*RULES[rule](sent, weights, feedback, slopes), error]
    gradients = {}
    for layer, delta in enumerate(deltas):
        name = f"hidden.{layer}" if layer < count else "output"
        gradient = h[layer].T @ delta
        gradients[f"{name}.weight"] = gradient if layer < count else gradient.T
        gradients[f"{name}.bias"] = delta.sum(0, keepdims=True)
        if layer and rule == "kolen_pollack":
            gradients[f"feedback.{layer - 1}"] = gradient
    return {name: gradients[name] for name in before}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", list(FUNCTIONS))
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("rule", list(RULES))
def test_a_feedback_rule_is_its_formula(
    one_step: Callable[..., Any], rule: str, hidden: tuple[int, ...], activation: str, bias: bool
) -> None:
    step = one_step(rule, hidden=hidden, activation=activation, bias=bias)
    found = step.gradients(1.0)
    for member in (0, 1):
        for name, gradient in expected(step, rule, activation, member).items():
            np.testing.assert_allclose(found[name][member], gradient, rtol=1e-10, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("outputs", [2, 10])
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("rule", list(RULES))
def test_a_feedback_rule_with_several_outputs_is_its_formula(
    one_step: Callable[..., Any], rule: str, hidden: tuple[int, ...], outputs: int, loss: str
) -> None:
    step = one_step(rule, hidden=hidden, activation="tanh", bias=True, outputs=outputs, loss=loss)
    found = step.gradients(1.0)
    for member in (0, 1):
        for name, gradient in expected(step, rule, "tanh", member).items():
            np.testing.assert_allclose(found[name][member], gradient, rtol=1e-10, atol=1e-13, err_msg=name)


def test_dfa_with_two_layers_of_relu_and_ten_classes_is_the_formula_of_its_paper(
    one_step: Callable[..., Any],
) -> None:
    """Nokland 2016, equations 6 and 7: delta a_1 = (B_1 e) * f'(a_1), delta a_2 = (B_2 e) * f'(a_2).

    The weights' updates are delta a_1 x^T, delta a_2 h_1^T and e h_2^T, summed over the tuples, as columns.
    """
    step = one_step("dfa", hidden=(7, 6), outputs=10, loss="cross_entropy")
    for member in (0, 1):
        b1, b2 = (feedback[member].numpy() for feedback in step.network.feedback)
        w1, w2, w3 = (
            step.before[name][member].numpy()
            for name in ("hidden.0.weight", "hidden.1.weight", "output.weight")
        )
        updates = [np.zeros_like(w) for w in (w1, w2, w3)]
        x, labels = step.x[member].numpy() * SCALE, step.labels[member].numpy().astype(int)
        for column, label in zip(x, labels, strict=True):
            a1 = w1.T @ column
            h1 = np.maximum(a1, 0)
            a2 = w2.T @ h1
            h2 = np.maximum(a2, 0)
            y = w3 @ h2
            e = np.exp(y) / np.exp(y).sum() - np.eye(10)[label]
            updates[0] += np.outer(column, (b1 @ e) * (a1 > 0)) / len(x)
            updates[1] += np.outer(h1, (b2 @ e) * (a2 > 0)) / len(x)
            updates[2] += np.outer(e, h2) / len(x)
        found = step.gradients(1.0)
        for name, update in zip(
            ("hidden.0.weight", "hidden.1.weight", "output.weight"), updates, strict=True
        ):
            np.testing.assert_allclose(found[name][member], update, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("rule", list(RULES))
def test_a_feedback_rule_is_not_backpropagation(
    one_step: Callable[..., Any], rule: str, hidden: tuple[int, ...]
) -> None:
    found = one_step(rule, hidden=hidden, activation="tanh").gradients(1.0)
    bp = one_step("bp", hidden=hidden, activation="tanh").gradients(1.0)
    for layer in range(len(hidden)):
        name = f"hidden.{layer}.weight"
        assert (found[name] - bp[name]).norm() > 0.1 * bp[name].norm()
    torch.testing.assert_close(found["output.weight"], bp["output.weight"], rtol=1e-12, atol=0)


def test_dfa_with_the_output_weights_for_feedback_is_backpropagation(one_step: Callable[..., Any]) -> None:
    bp = one_step("bp")
    network = one_step("dfa").network
    for name, tensor in network.parameters().items():
        tensor.copy_(bp.before[name])
    network.feedback = [network.output.transpose(1, 2).clone()]
    done = network.forward(bp.x)
    context = Context.of(network, done, bp.labels.unsqueeze(2), LOSSES["binary_cross_entropy"])
    gradient = network.gradient(done, hidden_deltas(context)[0], 0)
    torch.testing.assert_close(gradient, bp.gradients(1.0)["hidden.0.weight"], rtol=1e-10, atol=1e-13)


def test_feedback_matrices_have_the_shapes_of_what_they_replace(one_step: Callable[..., Any]) -> None:
    fa, dfa = (one_step(rule, hidden=(5, 4, 3)).network.feedback for rule in ("fa", "dfa"))
    assert [tuple(b.shape[1:]) for b in fa] == [(5, 4), (4, 3), (3, 1)]
    assert [tuple(b.shape[1:]) for b in dfa] == [(5, 1), (4, 1), (3, 1)]
    fa, dfa = (one_step(rule, hidden=(5, 4), outputs=10).network.feedback for rule in ("fa", "dfa"))
    assert [tuple(b.shape[1:]) for b in fa] == [(5, 4), (4, 10)]
    assert [tuple(b.shape[1:]) for b in dfa] == [(5, 10), (4, 10)]


# -- Kolen and Pollack --------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 10])
@pytest.mark.parametrize("hidden", [(5,), (5, 4)])
def test_feedback_that_learns_comes_to_be_the_weights_above(hidden: tuple[int, ...], outputs: int) -> None:
    """Both get the same gradient and decay: with SGD the difference shrinks by 1 - rate decay a step."""
    rule, loss = REGISTERED["kolen_pollack"], LOSSES["binary_cross_entropy"]
    network = initial_network(
        Network(hidden=hidden), rule, 6, [0, 1], ["uniform"] * 2, outputs=outputs, precision="float64"
    )
    rate, decay, steps = 0.1, 0.5, 40
    step = Step(network, loss, OPTIMIZERS["sgd"], torch.full((2, 1, 1), rate, dtype=torch.float64), decay)
    rng = torch.Generator().manual_seed(0)

    def differences() -> list[torch.Tensor]:
        weights = [layer.weight for layer in network.layers[1:]] + [network.output.transpose(1, 2)]
        return [w - b for w, b in zip(weights, network.feedback, strict=True) if b is not None]

    before = differences()
    for t in range(1, steps + 1):
        x = torch.randn(2, 9, 6, dtype=torch.float64, generator=rng)
        labels = torch.randint(max(2, outputs), (2, 9), generator=rng).double()
        context = Context.of(network, network.forward(x), one_hot(labels, outputs), loss)
        step.update(context, hidden_deltas(context), t)
    for first, last in zip(before, differences(), strict=True):
        torch.testing.assert_close(last, (1 - rate * decay) ** steps * first, rtol=1e-9, atol=1e-12)


def test_the_weights_of_feedback_that_learns_are_saved_as_it_is_now(run: Callable[..., Any]) -> None:
    settings = clusters.Settings(n=40, d=5, test_samples=30)
    training = run(settings, [Member(0.5, 0, "uniform")], rule="kolen_pollack", weight_decay=0.1).training
    start = initial_network(Network(hidden=(5,)), REGISTERED["kolen_pollack"], 5, [0], ["uniform"])
    drawn, saved = start.feedback[0], training.weights(0)["feedback.0"]
    assert drawn is not None
    assert not torch.equal(saved, drawn[0])
    assert any(
        name.startswith("optimizer.feedback") or name == "parameter.feedback.0" for name in training.state()
    )


# -- rules that say all themselves --------------------------------------------------------------


def local_deltas(context: Context) -> list[torch.Tensor]:
    """Each hidden layer has the loss of a readout of its own, the logits h_l B_l."""
    deltas = []
    for layer in range(context.hidden):
        readout = context.feedback(layer)
        error = context.error_of(context.times(context.output(layer), readout))
        deltas.append(context.through(layer, context.times_transposed(error, readout)))
    return deltas


def readout_gradient(context: Context, deltas: list[torch.Tensor], layer: int) -> torch.Tensor:
    h, readout = context.output(layer), context.feedback(layer)
    return context.gradient(h, context.error_of(context.times(h, readout)))


LOCAL = Rule(uses_feedback=True, direct=True, deltas=local_deltas, feedback_gradient=readout_gradient)


@pytest.mark.parametrize("outputs", [1, 10])
@pytest.mark.parametrize("hidden", [(5,), (5, 4, 3)])
def test_a_rule_can_have_local_losses_whose_readouts_learn(hidden: tuple[int, ...], outputs: int) -> None:
    """Against autograd: the loss of layer l reaches the weights of layer l and its readout alone."""
    loss = LOSSES["cross_entropy" if outputs > 1 else "binary_cross_entropy"]
    network = initial_network(
        Network(hidden=hidden, activation="tanh"),
        LOCAL,
        6,
        [3],
        ["uniform"],
        outputs=outputs,
        precision="float64",
    )
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 9, 6, dtype=torch.float64, generator=rng)
    labels = torch.randint(max(2, outputs), (1, 9), generator=rng)
    before = {name: tensor.clone() for name, tensor in network.parameters().items()}
    context = Context.of(network, network.forward(x), one_hot(labels.double(), outputs), loss)
    step = Step(network, loss, OPTIMIZERS["sgd"], torch.ones(1, 1, 1, dtype=torch.float64), 0.0)

    step.update(context, hidden_deltas(context), 1)

    h = x[0]
    for layer in range(len(hidden)):
        names = [f"hidden.{layer}.weight", f"feedback.{layer}"]
        weight, readout = (before[name][0].clone().requires_grad_() for name in names)
        logits = torch.tanh(h @ weight) @ readout
        if outputs == 1:
            value = functional.binary_cross_entropy_with_logits(logits[:, 0], labels[0].double())
        else:
            value = functional.cross_entropy(logits, labels[0])
        for name, gradient in zip(names, torch.autograd.grad(value, [weight, readout]), strict=True):
            moved = before[name][0] - network.parameters()[name][0]
            torch.testing.assert_close(moved, gradient, rtol=1e-10, atol=1e-13)
        h = torch.tanh(h @ before[names[0]][0])


def test_a_target_sent_to_a_layer_pulls_the_right_class_up(one_step: Callable[..., Any]) -> None:
    """Its sign: where the error of the right class is below 0, so is the signal of `drtp`."""
    for rule in ("drtp", "sdfa"):
        step = one_step(rule, outputs=10, loss="cross_entropy")
        context = Context.of(step.network, step.done, one_hot(step.labels, 10), LOSSES["cross_entropy"])
        sent = REGISTERED[rule].signal(context)
        right = one_hot(step.labels, 10) == 1
        assert (sent[right] < 0).all()
        assert (context.error[right] < 0).all()
        assert (sent[~right] >= 0).all()


def test_all_rules_with_one_seed_start_from_the_same_weights(one_step: Callable[..., Any]) -> None:
    bp = one_step("bp", hidden=(5, 4), bias=True).before
    for rule in RULES:
        for name, tensor in one_step(rule, hidden=(5, 4), bias=True).before.items():
            assert name.startswith("feedback") or torch.equal(tensor, bp[name]), (rule, name)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_fa_is_dfa_bit_for_bit_with_one_hidden_layer(
    run: Callable[..., Any], optimizer: str, bias: bool
) -> None:
    members = [Member(0.1, 0, "uniform"), Member(0.03, 1, "gaussian")]
    settings = clusters.Settings(n=40, d=5, test_samples=30)
    network = {"hidden": (9,), "bias": bias}
    fa, dfa = (run(settings, members, rule=r, optimizer=optimizer, network=network) for r in ("fa", "dfa"))
    assert fa.rows == dfa.rows
    for name, tensor in fa.training.weights(1).items():
        assert torch.equal(tensor, dfa.training.weights(1)[name])


def test_fa_is_not_dfa_with_two_hidden_layers(run: Callable[..., Any]) -> None:
    settings = clusters.Settings(n=40, d=5, test_samples=30)
    members = [Member(0.5, 0, "uniform")]
    fa, dfa = (run(settings, members, rule=r, network={"hidden": (9, 8)}) for r in ("fa", "dfa"))
    assert fa.rows[0][-1]["test_loss"] != dfa.rows[0][-1]["test_loss"]

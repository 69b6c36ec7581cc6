"""Alignments against cosines written out in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfa_tune.learning.alignment import Similarity, alignments
from dfa_tune.learning.backward import Context, bp_deltas, hidden_deltas
from dfa_tune.learning.first_layer.dense import Dense
from dfa_tune.learning.initialisation import initial_network
from dfa_tune.learning.losses import LOSSES, one_hot
from dfa_tune.learning.metrics import BY_LAYER, metric_rows
from dfa_tune.learning.settings import Network
from dfa_tune.learning.training import Member
from dfa_tune.problems.kinds import clusters
from dfa_tune.registry import OPTIMIZERS, RULES

N, D, HIDDEN, BATCH = 40, 5, 9, 16  # two full batches and a rest of 8
PROBLEM = clusters.Settings(n=N, d=D, test_samples=20)


def cos(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(a.ravel() @ b.ravel() / np.sqrt((a.ravel() @ a.ravel()) * (b.ravel() @ b.ravel())))


def test_a_cosine_is_taken_over_each_members_whole_matrix_and_over_its_rows() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 4, 5))
    similarity = Similarity(torch.from_numpy(a), torch.from_numpy(b))
    whole, rows = similarity.cosine(), similarity.cosine_of_rows()
    np.testing.assert_allclose(whole, [cos(x, y) for x, y in zip(a, b, strict=True)], rtol=1e-12)
    expected = [np.mean([cos(p, q) for p, q in zip(x, y, strict=True)]) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(rows, expected, rtol=1e-12)


def test_a_matrix_of_zeros_is_aligned_with_nothing_and_one_of_nan_is_nan() -> None:
    a = torch.stack([torch.zeros(2, 3), torch.full((2, 3), float("nan"))])
    similarity = Similarity(a, torch.ones(2, 2, 3))
    for found in (similarity.cosine(), similarity.cosine_of_rows()):
        assert found[0] == 0
        assert found[1].isnan()


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
@pytest.mark.parametrize("hidden", [(HIDDEN,), (HIDDEN, 4)])
def test_backpropagation_is_aligned_with_itself(
    run: Callable[..., Any], optimizer: str, hidden: tuple[int, ...]
) -> None:
    found = run(PROBLEM, [Member(0.01, 0), Member(0.1, 1)], optimizer=optimizer, network={"hidden": hidden})
    for rows in found.rows:
        for row in rows:
            assert row["gradient_alignment"] == pytest.approx(1, abs=1e-12)
            assert row["gradient_alignment_rows"] == pytest.approx(1, abs=1e-12)
            assert row["feedback_alignment"] is None


def test_the_step_of_plain_backpropagation_follows_its_gradient(run: Callable[..., Any]) -> None:
    (rows,) = run(PROBLEM, [Member(0.1, 0)], precision="float64").rows
    assert rows[-1]["step_alignment"] == pytest.approx(1, abs=1e-9)
    (decayed,) = run(PROBLEM, [Member(0.1, 0)], precision="float64", weight_decay=1.0).rows
    assert decayed[-1]["step_alignment"] < 0.99


@pytest.mark.parametrize("rule", ["relu_features", "output_only", "fourier_features"])
def test_a_frozen_first_layer_has_no_alignment(run: Callable[..., Any], rule: str) -> None:
    (rows,) = run(PROBLEM, [Member(0.1, 0)], rule=rule).rows
    names = ("feedback_alignment", "gradient_alignment", "gradient_alignment_rows", "step_alignment")
    assert [rows[-1][name] for name in names] == [None] * 4


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
@pytest.mark.parametrize("rule", ["dfa", "sign_symmetric"])
def test_alignments_are_those_of_the_epochs_last_full_batch_before_its_step(
    run: Callable[..., Any], rule: str, optimizer: str
) -> None:
    """One epoch by hand, in NumPy: SGD or RMSProp, one hidden layer of ReLU."""
    rate = 0.05
    feedback_name = "uniform" if rule == "dfa" else None
    (rows,) = run(
        PROBLEM,
        [Member(rate, 3, feedback_name)],
        rule=rule,
        optimizer=optimizer,
        network={"hidden": (HIDDEN,)},
        precision="float64",
        epochs=1,
    ).rows
    start = initial_network(
        Network(hidden=(HIDDEN,)), RULES[rule], D, [3], [feedback_name], precision="float64"
    )
    w1, w2 = start.layers[0].weight[0].numpy().copy(), start.output[0].numpy().copy()
    square1, square2 = np.zeros_like(w1), np.zeros_like(w2)
    draw = clusters.Problem(PROBLEM).train(3, 1)
    x, y = draw.gather().astype(np.float64), draw.labels.astype(np.float64)[:, None]
    for begin in range(0, N - BATCH + 1, BATCH):  # the rest comes after what is measured
        xb, yb = x[begin : begin + BATCH], y[begin : begin + BATCH]
        a = xb @ w1
        h = np.maximum(a, 0)
        error = (1 / (1 + np.exp(-h @ w2.T)) - yb) / BATCH
        b = np.sign(w2).T / np.sqrt(HIDDEN) if start.feedback[0] is None else start.feedback[0][0].numpy()
        gradient, gradient2 = (xb.T @ ((error @ m.T) * (a > 0)) for m in (b, w2.T))
        feedback = cos(b, w2)
        step, step2 = rate * gradient, rate * error.T @ h
        if optimizer == "rmsprop":
            square1, square2 = (
                0.9 * s + 0.1 * g**2 for s, g in ((square1, gradient), (square2, error.T @ h))
            )
            step, step2 = step / np.sqrt(square1 + 1e-8), step2 / np.sqrt(square2 + 1e-8)
        w1, w2 = w1 - step, w2 - step2
    row = rows[0]
    assert row["feedback_alignment"] == pytest.approx(feedback, rel=1e-8)
    assert row["gradient_alignment"] == pytest.approx(cos(gradient, gradient2), rel=1e-8)
    per_row = np.mean([cos(p, q) for p, q in zip(gradient, gradient2, strict=True)])
    assert row["gradient_alignment_rows"] == pytest.approx(per_row, rel=1e-8)
    assert row["step_alignment"] == pytest.approx(cos(step, gradient2), rel=1e-8)


def test_measuring_alignments_does_not_change_the_step(run: Callable[..., Any]) -> None:
    members = [Member(0.1, 0, "uniform"), Member(0.3, 1, "gaussian")]
    often, seldom = (
        run(PROBLEM, members, rule="dfa", optimizer="adam", epochs=4, evaluate_every=every).training
        for every in (1, 4)
    )
    for name, tensor in often.network.parameters().items():
        assert torch.equal(tensor, seldom.network.parameters()[name])


def test_direct_feedback_learns_to_align(run: Callable[..., Any]) -> None:
    """The phenomenon itself (thesis section 3.1): from about a right angle to clearly below it."""
    rows = run(
        clusters.Settings(n=200, d=4, test_samples=20, clusters=2),
        [Member(0.5, seed, "uniform") for seed in (0, 1, 2)],
        rule="dfa",
        network={"hidden": (50,)},
        epochs=60,
        evaluate_every=60,
    ).rows
    assert np.mean([member[-1]["feedback_alignment"] for member in rows]) > 0.3


# -- layer by layer -----------------------------------------------------------------------------


def context_of(step: Any) -> Context:
    """The batch of a step, with the weights and feedback as they are after it."""
    outputs = step.done.logits.shape[2]
    done = step.network.forward(step.x)
    return Context.of(step.network, done, one_hot(step.labels, outputs), LOSSES[step.loss])


@pytest.mark.parametrize("outputs", [1, 10])
@pytest.mark.parametrize("hidden", [(5,), (5, 4), (5, 4, 3)])
@pytest.mark.parametrize("rule", ["bp", "dfa", "fa", "sdfa", "drtp", "kolen_pollack", "sign_symmetric"])
def test_each_layers_gradient_is_compared_with_that_of_backpropagation(
    one_step: Callable[..., Any], rule: str, hidden: tuple[int, ...], outputs: int
) -> None:
    """Cosine and norm ratio of the two gradients of a layer's weights, h^T delta, in NumPy."""
    context = context_of(one_step(rule, hidden=hidden, activation="tanh", outputs=outputs))
    deltas, expected = hidden_deltas(context), bp_deltas(context)
    found, _ = alignments(context, deltas)
    for member in (0, 1):
        for layer in range(len(hidden)):
            inputs = context.done.inputs[layer]
            assert isinstance(inputs, Dense)
            ours, theirs = (inputs.x[member].numpy().T @ d[layer][member].numpy() for d in (deltas, expected))
            cosines, ratios = (
                found[f"gradient_{name}_by_layer"][member, layer].item()
                for name in ("alignment", "norm_ratio")
            )
            assert cosines == pytest.approx(cos(ours, theirs), rel=1e-9)
            assert ratios == pytest.approx(np.linalg.norm(ours) / np.linalg.norm(theirs), rel=1e-9)
    torch.testing.assert_close(found["gradient_alignment_by_layer"][:, 0], found["gradient_alignment"])
    if rule == "bp":
        torch.testing.assert_close(found["gradient_norm_ratio_by_layer"], torch.ones(2, len(hidden)).double())


@pytest.mark.parametrize("outputs", [1, 10])
@pytest.mark.parametrize("rule", ["dfa", "drtp", "fa", "kolen_pollack", "sign_symmetric"])
def test_feedback_is_compared_with_the_weights_that_it_stands_for(
    one_step: Callable[..., Any], rule: str, outputs: int
) -> None:
    """Direct feedback with the product of the weights above, other feedback with those of the layer above."""
    step = one_step(rule, hidden=(5, 4, 3), outputs=outputs)
    context = context_of(step)
    found, _ = alignments(context, hidden_deltas(context))
    for member in (0, 1):
        w2, w3 = (step.network.layers[layer].weight[member].numpy() for layer in (1, 2))
        out = step.network.output[member].numpy().T
        wanted = [w2 @ w3 @ out, w3 @ out, out] if RULES[rule].direct else [w2, w3, out]
        for layer, weights in enumerate(wanted):
            b = step.network.feedback[layer]
            sent = np.sign(weights) / np.sqrt(len(weights)) if b is None else b[member].numpy()
            value = found["feedback_alignment_by_layer"][member, layer].item()
            assert value == pytest.approx(cos(sent, weights), rel=1e-9)
    torch.testing.assert_close(found["feedback_alignment_by_layer"][:, -1], found["feedback_alignment"])


def test_backpropagation_has_no_feedback_to_compare(one_step: Callable[..., Any]) -> None:
    context = context_of(one_step("bp", hidden=(5, 4)))
    found, _ = alignments(context, hidden_deltas(context))
    assert not [name for name in found if name.startswith("feedback")]


@pytest.mark.parametrize("value", [0.0, float("inf")])
def test_a_layer_whose_norm_vanishes_or_is_not_finite_has_no_numbers(
    one_step: Callable[..., Any], value: float
) -> None:
    """Neither 0 nor 1 would be true: rows have null there, and the other layers keep theirs."""
    step = one_step("dfa", hidden=(5, 4), activation="tanh", outputs=10)
    step.network.feedback[0][1] = value  # of the second member
    context = context_of(step)
    found, _ = alignments(context, hidden_deltas(context))
    for name in BY_LAYER:
        assert found[name].isnan().tolist() == [[False, False], [True, False]], name


def test_rows_have_lists_with_null_for_a_layer_without_a_number() -> None:
    by_layer = {name: [[0.5, float("nan")], [float("inf"), 1.0]] for name in BY_LAYER}
    values = {"train_loss": [0.1, float("nan")], **by_layer}
    first, second = metric_rows(values, [False, False], 3, 0.2)
    assert [first[name] for name in BY_LAYER] == [[0.5, None]] * 3
    assert not first["diverged"]  # a layer without a number is no divergence
    assert [second[name] for name in BY_LAYER] == [None] * 3  # it has diverged by its loss


def test_a_deep_network_has_a_number_for_each_hidden_layer_in_its_rows(run: Callable[..., Any]) -> None:
    members = [Member(0.1, 0, "uniform"), Member(0.2, 1, "uniform")]
    network = {"hidden": (9, 4, 3), "activation": "tanh"}
    for rows in run(PROBLEM, members, rule="dfa", network=network).rows:
        for row in rows:
            assert [len(row[name]) for name in BY_LAYER] == [3, 3, 3]
            assert row["gradient_alignment_by_layer"][0] == pytest.approx(
                row["gradient_alignment"], rel=1e-12
            )

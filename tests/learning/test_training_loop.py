"""The loop: evaluation, divergence, batches, precision, what is tested."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dfa_tune.learning.metrics import BY_LAYER, METRICS
from dfa_tune.learning.training import Member
from dfa_tune.problems.kinds import classification, clusters, parity

PARITY = parity.Settings(dataset="digits", k=2, train_samples=70, test_samples=45)
CLUSTERS = clusters.Settings(n=40, d=5, test_samples=30)
DIGITS = classification.Settings(dataset="digits", train_samples=70, test_samples=45)
TWO = [Member(0.1, 0, "uniform"), Member(0.02, 1, "uniform")]


# -- evaluation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam"])
@pytest.mark.parametrize("problem", [PARITY, CLUSTERS], ids=["parity", "clusters"])
def test_evaluating_seldom_does_not_change_the_numbers(
    run: Callable[..., Any], problem: Any, optimizer: str
) -> None:
    given = {"rule": "dfa", "optimizer": optimizer, "epochs": 7}
    every, seldom = run(problem, TWO, **given).rows, run(problem, TWO, evaluate_every=3, **given).rows
    for often, rarely in zip(every, seldom, strict=True):
        assert [row["epoch"] for row in rarely] == [3, 6, 7]
        assert rarely == [row for row in often if row["epoch"] in (3, 6, 7)]


@pytest.mark.parametrize("problem", [PARITY, CLUSTERS, DIGITS], ids=["parity", "clusters", "classification"])
def test_the_last_test_may_have_more_tuples_and_nothing_else_changes(
    run: Callable[..., Any], problem: Any
) -> None:
    given = {"rule": "dfa", "epochs": 3}
    larger = problem.model_copy(update={"final_test_samples": 97})
    plain, more = (run(settings, TWO, **given).rows for settings in (problem, larger))
    for before, after in zip(plain, more, strict=True):
        assert after[:-1] == before[:-1]
        differing = {name for name in METRICS if after[-1][name] != before[-1][name]}
        assert differing <= {"test_loss", "test_accuracy"}
        assert "test_loss" in differing
        right = after[-1]["test_accuracy"] * 97
        assert right == pytest.approx(round(right), abs=1e-9)


@pytest.mark.parametrize("problem", [PARITY, CLUSTERS, DIGITS], ids=["parity", "clusters", "classification"])
def test_a_last_test_of_as_many_tuples_is_the_same(run: Callable[..., Any], problem: Any) -> None:
    same = problem.model_copy(update={"final_test_samples": problem.test_samples})
    assert run(same, TWO, rule="bp", epochs=2).rows == run(problem, TWO, rule="bp", epochs=2).rows


def test_a_row_has_all_metrics_and_the_time_it_took(run: Callable[..., Any]) -> None:
    pack = run(PARITY, TWO, rule="dfa", epochs=1).training
    pack.epoch = 0  # once more, for the row as it comes
    for row in pack.run_epoch():
        assert set(row) == {"member", "epoch", *METRICS, *BY_LAYER, "diverged", "seconds"}
        assert row["seconds"] > 0
        assert row["diverged"] is False
        assert all(isinstance(row[name], float) for name in METRICS)
        assert 0 <= row["train_accuracy"] <= 1
        for name in BY_LAYER:
            (value,) = row[name]  # one hidden layer
            assert isinstance(value, float)


@pytest.mark.parametrize("rule", ["bp", "fourier_features", "ntk"])
def test_the_tested_numbers_are_those_of_the_weights(run: Callable[..., Any], rule: str) -> None:
    """A test longer than one chunk, recomputed from the saved weights."""
    settings = clusters.Settings(n=40, d=5, test_samples=2503)
    found = run(settings, [Member(0.3, 2)], rule=rule, optimizer="nesterov", precision="float64")
    weights = {name: t.numpy() for name, t in found.training.weights(0).items()}
    draw = clusters.Problem(settings).test(2, 2)
    x, y = draw.gather().astype(np.float64), draw.labels
    a = x @ weights["hidden.0.weight"] + weights.get("hidden.0.bias", 0.0)
    if rule == "ntk":
        h = a / (1 + np.exp(-x @ weights["hidden.0.gate_weight"]))
    else:
        h = np.maximum(a, 0) if rule == "bp" else np.cos(a)
    logits = (h @ weights["output.weight"].T)[:, 0]
    row = found.rows[0][-1]
    assert row["test_loss"] == pytest.approx(np.mean(np.logaddexp(0, logits) - y * logits), rel=1e-9)
    assert row["test_accuracy"] == np.mean((logits > 0) == y)


def test_nesterovs_tested_weights_are_not_the_look_ahead_point(run: Callable[..., Any]) -> None:
    training = run(CLUSTERS, [Member(0.3, 2)], optimizer="nesterov").training
    stored, tested = training.network.output[0], training.weights(0)["output.weight"]
    velocity = training.optimizers["output.weight"].state[0][0]
    assert velocity.norm() > 0
    torch.testing.assert_close(tested, stored + 0.9 * velocity)


def test_repeating_a_run_repeats_its_numbers(run: Callable[..., Any]) -> None:
    assert run(PARITY, TWO, rule="dfa").rows == run(PARITY, TWO, rule="dfa").rows


# -- batches ------------------------------------------------------------------------------------


def test_a_full_batch_is_one_step_an_epoch(run: Callable[..., Any]) -> None:
    full = run(CLUSTERS, TWO, rule="dfa", batch_size="full")
    assert full.training.steps == 2
    assert full.rows == run(CLUSTERS, TWO, rule="dfa", batch_size=40).rows
    assert full.rows == run(CLUSTERS, TWO, rule="dfa", batch_size=4000).rows


def test_adams_t_counts_steps_and_the_last_batch_may_be_shorter(run: Callable[..., Any]) -> None:
    assert run(CLUSTERS, TWO, optimizer="adam", batch_size=16, epochs=3).training.steps == 3 * 3


def test_a_shorter_last_batch_is_averaged_over_its_own_length(run: Callable[..., Any]) -> None:
    """40 = 39 + 1: the last step alone is that of one tuple, in full."""
    rate = 0.5
    after = run(CLUSTERS, [Member(rate, 0)], epochs=1, batch_size=39, precision="float64").training.weights(0)
    shorter = clusters.Settings(n=40, d=5, test_samples=30)
    draw = clusters.Problem(shorter).train(0, 1)
    start = run(CLUSTERS, [Member(1e-300, 0)], epochs=1, precision="float64").training.weights(0)
    w1, w2 = start["hidden.0.weight"].numpy(), start["output.weight"].numpy()
    x, y = draw.gather().astype(np.float64), draw.labels[:, None]
    for part in (slice(0, 39), slice(39, 40)):
        a = x[part] @ w1
        h = np.maximum(a, 0)
        error = (1 / (1 + np.exp(-h @ w2.T)) - y[part]) / len(a)
        step1, step2 = x[part].T @ (error @ w2 * (a > 0)), error.T @ h
        w1, w2 = w1 - rate * step1, w2 - rate * step2
    np.testing.assert_allclose(after["hidden.0.weight"], w1, rtol=1e-9)
    np.testing.assert_allclose(after["output.weight"], w2, rtol=1e-9)


# -- divergence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adadelta", "nesterov"])
def test_a_diverged_member_keeps_its_rows_without_metrics(run: Callable[..., Any], optimizer: str) -> None:
    members = [Member(0.1, 0, "uniform"), Member(1e30, 0, "uniform"), Member(0.02, 1, "uniform")]
    found = run(PARITY, members, rule="dfa", optimizer=optimizer, epochs=3).rows
    assert [row["epoch"] for row in found[1]] == [1, 2, 3]
    for row in found[1]:
        assert row["diverged"] is True
        assert all(row[name] is None for name in (*METRICS, *BY_LAYER))
    for row in (*found[0], *found[2]):
        assert row["diverged"] is False
        assert all(math.isfinite(row[name]) for name in METRICS)


def test_a_member_that_diverges_late_keeps_the_metrics_before(run: Callable[..., Any]) -> None:
    """With a linear network the weights grow by a factor each step, and overflow after some epochs."""
    rows = run(
        CLUSTERS,
        [Member(300.0, 0), Member(0.1, 0)],
        network={"activation": "linear", "hidden": (8, 8)},
        epochs=12,
        batch_size=40,
        weight_decay=1.0,  # learning rate times decay above 2: grows whatever the data
    ).rows
    flags = [row["diverged"] for row in rows[0]]
    assert flags == sorted(flags)  # once diverged, for good
    assert flags[-1]
    assert not flags[0]
    for row in rows[0]:
        assert (row["test_loss"] is None) == row["diverged"]
    assert not any(row["diverged"] for row in rows[1])


def test_divergence_between_two_evaluations_is_seen_at_the_next(run: Callable[..., Any]) -> None:
    (rows,) = run(PARITY, [Member(1e30, 0)], epochs=5, evaluate_every=4).rows
    assert [(row["epoch"], row["diverged"]) for row in rows] == [(4, True), (5, True)]


# -- precision ----------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", [PARITY, CLUSTERS], ids=["parity", "clusters"])
@pytest.mark.parametrize("rule", ["bp", "dfa", "ntk", "relu_features"])
@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.03), ("float64", 1e-4)])
def test_other_precisions_stay_near_float32(
    run: Callable[..., Any], problem: Any, rule: str, precision: str, tolerance: float
) -> None:
    members = [Member(0.05, 0, "uniform" if rule == "dfa" else None)]
    given = {"rule": rule, "network": {"hidden": (16,), "bias": True}, "weight_decay": 1e-3}
    (single,), (other,) = (
        run(problem, members, precision=name, **given).rows for name in ("float32", precision)
    )
    for a, b in zip(single, other, strict=True):
        assert b["train_loss"] == pytest.approx(a["train_loss"], rel=tolerance)
        assert b["test_loss"] == pytest.approx(a["test_loss"], rel=tolerance)
        if a["gradient_alignment"] is not None:
            assert b["gradient_alignment"] == pytest.approx(a["gradient_alignment"], abs=2 * tolerance)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("float32", torch.float32), ("bfloat16", torch.float32), ("float64", torch.float64)],
)
def test_weights_are_kept_in_float32_or_float64(
    run: Callable[..., Any], precision: str, dtype: torch.dtype
) -> None:
    training = run(CLUSTERS, TWO, rule="dfa", optimizer="adam", precision=precision).training
    assert {tensor.dtype for tensor in training.weights(0).values()} == {dtype}
    assert {s.dtype for optimizer in training.optimizers.values() for s in optimizer.state} == {dtype}


def test_weights_are_a_members_own_with_its_feedback(run: Callable[..., Any]) -> None:
    weights = run(CLUSTERS, TWO, rule="dfa", network={"hidden": (5, 4), "bias": True}).training.weights(1)
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {
        "hidden.0.weight": (5, 5),
        "hidden.0.bias": (1, 5),
        "hidden.1.weight": (5, 4),
        "hidden.1.bias": (1, 4),
        "output.weight": (1, 4),
        "output.bias": (1, 1),
        "feedback.0": (5, 1),
        "feedback.1": (4, 1),
    }

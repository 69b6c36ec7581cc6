"""Trials: what their ids depend on, their columns, and the way to JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfa_tune.config.method import Method
from dfa_tune.learning.settings import Network, Training
from dfa_tune.planning.trial import Trial
from dfa_tune.problems.kinds import classification, clusters, parity

TRIAL = Trial(
    problem=parity.Settings(dataset="digits", k=2).resolved(),
    network=Network(hidden=(8, 4)),
    training=Training(epochs=2, batch_size=16, weight_decay=1e-3),
    method=Method(rule="dfa", optimizer="sgd", feedback="uniform"),
    learning_rate=0.1,
    seed=3,
    stage="tune",
    split="test",
    data_digest="0123456789abcdef",
)
CLUSTERS = replace(TRIAL, problem=clusters.Settings(clusters=2, labels=(0, 1, 1, 0)), data_digest=None)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (Method(rule="bp", optimizer="sgd", feedback=None), "bp-sgd"),
        (Method(rule="dfa", optimizer="rmsprop", feedback="uniform"), "dfa-rmsprop"),
        (
            Method(rule="dfa", optimizer="sgd", feedback="standard_gaussian"),
            "dfa-sgd-standard_gaussian",
        ),
    ],
)
def test_a_method_is_named_by_rule_optimizer_and_unusual_feedback(method: Method, name: str) -> None:
    assert method.name == name


def test_an_id_has_sixteen_hex_characters() -> None:
    assert len(TRIAL.id) == 16
    int(TRIAL.id, 16)


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.2},
        {"seed": 4},
        {"split": "validation"},
        {"data_digest": "fedcba9876543210"},
        {"problem": TRIAL.problem.model_copy(update={"k": 3})},
        {"network": TRIAL.network.model_copy(update={"bias": True})},
        {"training": TRIAL.training.model_copy(update={"weight_decay": 0.0})},
        {"training": TRIAL.training.model_copy(update={"evaluate_every": 2})},
        {"method": replace(TRIAL.method, feedback="gaussian")},
    ],
)
def test_an_id_changes_with_what_determines_the_numbers(change: dict) -> None:
    assert replace(TRIAL, **change).id != TRIAL.id


@pytest.mark.parametrize(
    "change",
    [{"stage": "repeat"}, {"training": TRIAL.training.model_copy(update={"device": "cuda"})}],
)
def test_an_id_depends_on_neither_stage_nor_device(change: dict) -> None:
    assert replace(TRIAL, **change).id == TRIAL.id


def test_a_trial_at_another_seed_is_as_if_built_anew() -> None:
    other = TRIAL.at_seed(4, repetition=2)
    assert other == replace(TRIAL, seed=4, repetition=2)
    assert other.id == replace(TRIAL, seed=4).id
    assert other.at_seed(3) == TRIAL
    assert other.at_seed(3).id == TRIAL.id
    assert TRIAL.seed == 3


def test_ids_are_those_of_the_first_results_of_these_numerics() -> None:
    """As computed when the numerics were new: results of then are still found."""
    assert (TRIAL.id, CLUSTERS.id) == ("ce8874f349b2bc99", "af7c47f01ce336d7")


@pytest.mark.parametrize("trial", [TRIAL, CLUSTERS])
def test_a_loss_counts_where_it_is_not_the_problems_own(trial: Trial) -> None:
    written_out, other = (
        replace(trial, training=trial.training.model_copy(update={"loss": loss}))
        for loss in ("binary_cross_entropy", "cross_entropy")
    )
    assert written_out.id == trial.id != other.id
    assert [t.columns()["loss"] for t in (trial, other)] == ["binary_cross_entropy", "cross_entropy"]
    assert trial.columns()["classes"] == 2


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({"options": {"rho": 0.9}}, {"rho": 0.9, "epsilon": 1e-8, "beta1": None}),
        ({"network": TRIAL.network.model_copy(update={"feedback_scale": 1.0})}, {"feedback_scale": 1.0}),
    ],
)
def test_a_field_at_its_default_does_not_count(change: dict, columns: dict) -> None:
    rmsprop = replace(TRIAL, method=replace(TRIAL.method, optimizer="rmsprop"))
    assert replace(rmsprop, **change).id == rmsprop.id
    assert {name: replace(rmsprop, **change).columns().get(name) for name in columns} == columns


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({"options": {"rho": 0.8}}, {"rho": 0.8, "epsilon": 1e-8}),
        ({"network": TRIAL.network.model_copy(update={"feedback_scale": 2.0})}, {"feedback_scale": 2.0}),
    ],
)
def test_a_field_counts_where_it_is_not_at_its_default(change: dict, columns: dict) -> None:
    rmsprop = replace(TRIAL, method=replace(TRIAL.method, optimizer="rmsprop"))
    changed = replace(rmsprop, **change)
    assert changed.id != rmsprop.id
    assert {name: changed.columns().get(name) for name in columns} == columns
    assert Trial.from_json(json.loads(json.dumps(changed.to_json()))) == changed


class LaterNetwork(Network):
    """Networks of a later version of this library."""

    dropout: float = 0.0


def test_a_field_added_later_changes_no_id() -> None:
    before, later = replace(TRIAL), replace(TRIAL, network=LaterNetwork(hidden=(8, 4)))
    assert later.id == before.id
    assert replace(TRIAL, network=LaterNetwork(hidden=(8, 4), dropout=0.1)).id != later.id


@pytest.mark.parametrize(
    "change",
    [
        {"problem": parity.Settings(dataset="kmnist", k=2).resolved()},
        {"problem": clusters.Settings(labels=(0, 1, 1, 0), clusters=2)},
        {"problem": clusters.Settings(labels="random", clusters=2)},
        {"network": Network(hidden=(512,))},
        {"training": Training(epochs=20, batch_size=16, weight_decay=1e-3)},
        {"training": Training(epochs=2, batch_size=128, weight_decay=1e-3)},
        {"training": Training(epochs=2, batch_size=16)},
    ],
)
def test_a_default_counts_as_another_value_than_any_other(change: dict) -> None:
    assert replace(TRIAL, **change).id != replace(TRIAL).id
    assert replace(replace(TRIAL, **change), seed=4).id != replace(TRIAL, **change).id


@pytest.mark.parametrize("trial", [TRIAL, CLUSTERS])
def test_the_tuples_of_the_last_test_count_where_they_are_not_as_many_as_in_the_others(trial: Trial) -> None:
    count = trial.problem.test_samples
    written_out, other = (
        replace(trial, problem=trial.problem.model_copy(update={"final_test_samples": samples}))
        for samples in (count, count + 1)
    )
    assert written_out.id == trial.id != other.id
    assert [t.columns()["final_test_samples"] for t in (trial, written_out, other)] == [
        count,
        count,
        count + 1,
    ]


def test_an_npz_file_counts_by_its_content_and_its_column_has_its_name(tmp_path: Path) -> None:
    x, y = np.arange(24.0).reshape(6, 4), np.arange(6) % 3
    np.savez(tmp_path / "here.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    (tmp_path / "there.npz").write_bytes((tmp_path / "here.npz").read_bytes())
    here, there = (
        replace(TRIAL, problem=classification.Settings(dataset=str(tmp_path / name)).resolved())
        for name in ("here.npz", "there.npz")
    )
    assert here.id == there.id
    assert here.id != replace(here, data_digest="fedcba9876543210").id
    columns = here.columns()
    assert [columns[name] for name in ("dataset", "classes", "loss")] == ["here.npz", 3, "cross_entropy"]


def test_an_id_changes_with_the_version_of_the_numerics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfa_tune.planning.trial.NUMERICS_VERSION", -1)
    assert replace(TRIAL).id != TRIAL.id


@pytest.mark.parametrize("trial", [TRIAL, CLUSTERS])
def test_a_trial_comes_back_from_json_as_it_was(trial: Trial) -> None:
    back = Trial.from_json(json.loads(json.dumps(trial.to_json())))
    assert back == trial
    assert back.id == trial.id


def test_columns_are_scalars_with_lists_joined() -> None:
    columns = CLUSTERS.columns()
    assert columns["hidden"] == "8,4"
    assert columns["labels"] == "0,1,1,0"
    assert all(isinstance(value, str | int | float | bool | None) for value in columns.values())


def test_columns_name_the_problem_and_leave_out_where_it_runs() -> None:
    columns = TRIAL.columns()
    assert (columns["problem"], columns["dataset"], columns["k"]) == ("parity", "digits", 2)
    assert (columns["trial_id"], columns["method"], columns["batch_size"]) == (TRIAL.id, "dfa-sgd", 16)
    assert "device" not in columns
    assert "kind" not in columns

"""A results folder has overrides of its own for bundled spaces, which every command applies."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfa_tune.analysis.verify import verify
from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep, space_path
from dfa_tune.planning.sweep_results import load_results
from dfa_tune.problems.datasets import content_digest
from dfa_tune.results.store import Store

SMALL = ["training.epochs=1", "problem.train_samples=200", "repetitions=1", "learning_rates.sgd.points=2"]


def write(folder: Path, text: str) -> Path:
    (folder / "settings.yaml").write_text(text)
    return folder


def precision(space: str | Path, results: Path, *overrides: str) -> str:
    sweep = load_sweep(space, results=results, overrides=overrides)
    return sweep.points[0].training.precision


def test_they_apply_to_the_space_they_name_before_other_options(tmp_path: Path) -> None:
    assert precision("fig_3_4", tmp_path) == "float32"  # without the file
    write(tmp_path, "fig_3_4: [training.precision=bfloat16]")
    assert precision("fig_3_4", tmp_path) == "bfloat16"
    assert precision("fig_3_4", tmp_path, "training.precision=float64") == "float64"
    assert precision("fig_3_3", tmp_path) == "float32"
    assert precision(space_path("fig_3_4"), tmp_path) == "float32"  # a file of one's own is edited instead
    assert "bfloat16" in load_sweep("fig_3_4", results=tmp_path).text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 3", "valid: a mapping from names of spaces"),
        ("fig_3_4: 3", "fig_3_4 = 3: valid: a list"),
        ("fig_3_5x: [seed=1]", r"fig_3_5x: no bundled space; valid: .*fig_3_5.* Did you mean 'fig_3_5'"),
        ("fig_3_4: [seed]", "seed: valid: "),
        ("fig_3_4: [training.epochs=-2]", r"settings.yaml: training.epochs=-2: training.epochs = -2"),
        ("fig_3_4: [", "not valid YAML"),
    ],
)
def test_an_error_in_the_file_names_it(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, text)
    with pytest.raises(UserError, match=said) as error:
        load_sweep("fig_3_4", results=tmp_path)
    assert str(tmp_path / "settings.yaml") in str(error.value)


def test_results_are_read_with_the_overrides_that_they_were_trained_with(tmp_path: Path, trained) -> None:
    sweep = load_sweep("quickstart", overrides=SMALL, methods=["bp-sgd"])
    plan = Plan(sweep, content_digest("digits", None))
    Store(tmp_path, "quickstart").publish("some", trained(plan).rows, {})
    assert load_results("quickstart", tmp_path, methods=["bp-sgd"]).empty
    write(tmp_path, f"quickstart: {SMALL}")
    rows = load_results("quickstart", tmp_path, methods=["bp-sgd"])
    assert rows["trial_id"].nunique() == 2 + 1  # two rates and a repetition
    assert set(rows["epoch"]) == {1}


def test_claims_are_judged_with_the_overrides(tmp_path: Path) -> None:
    write(tmp_path, "fig_3_4: [training.epochs=-2]")
    with pytest.raises(UserError, match=r"settings\.yaml"):
        verify(tmp_path)

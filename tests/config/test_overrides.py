"""A results folder's own settings: options of bundled spaces that every command applies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dfa_tune.analysis.verify import verify
from dfa_tune.errors import UserError
from dfa_tune.planning.sweep import load_sweep, space_path
from dfa_tune.planning.sweep_results import load_results

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
    assert precision(space_path("fig_3_4"), tmp_path) == "float32"  # who gives a file can edit it
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
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, text)
    with pytest.raises(UserError, match=said) as error:
        load_sweep("fig_3_4", results=tmp_path)
    assert str(tmp_path / "settings.yaml") in str(error.value)


def test_what_they_had_trained_is_read_without_saying_so(tmp_path: Path) -> None:
    write(tmp_path, f"quickstart: {SMALL}")
    command = [sys.executable, "-m", "dfa_tune", "run", "quickstart", "--method", "bp-sgd", "--results"]
    done = subprocess.run([*command, tmp_path], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    rows = load_results("quickstart", tmp_path, methods=["bp-sgd"])
    assert set(rows["epoch"]) == {1}
    assert rows[rows["stage"] == "tune"]["learning_rate"].nunique() == 2


def test_claims_are_about_the_spaces_as_settled(tmp_path: Path) -> None:
    write(tmp_path, "fig_3_4: [training.epochs=-2]")
    with pytest.raises(UserError, match=r"settings\.yaml"):
        verify(tmp_path)

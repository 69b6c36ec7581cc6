"""Data and settings that cannot be trained on: exit code 2, a message that names them, nothing started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

Arrays = dict[str, Any]


def arrays() -> Arrays:
    """Thirty training images of three classes, and six test images."""
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.normal(size=(30, 4)),
        "y_train": np.arange(30) % 3,
        "x_test": rng.normal(size=(6, 4)),
        "y_test": np.arange(6) % 3,
    }


def nan_in(x: np.ndarray) -> np.ndarray:
    """`x` with one number that is none."""
    return np.where(np.arange(x.size).reshape(x.shape) == 5, np.nan, x)


@pytest.fixture
def refused(tmp_path: Path, invoke) -> Callable[..., str]:
    """refused(options, problem=...): what `run` says of a space on standard error, with exit code 2."""

    def run(*options: str, **changes: Any) -> str:
        space = {
            "name": "bad",
            "problem": {"kind": "classification", "dataset": str(tmp_path / "own.npz")},
            "training": {"epochs": 1},
            "methods": [{"rule": "bp", "optimizer": "sgd", "learning_rate": 0.1}],
        } | changes
        (tmp_path / "bad.yaml").write_text(yaml.safe_dump(space))
        results = tmp_path / "results"
        code, out, err = invoke("run", str(tmp_path / "bad.yaml"), "--results", str(results), *options)
        assert (code, out) == (2, "")
        assert not list(results.rglob("*.parquet"))
        return " ".join(err.split())

    return run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a | {"y_train": a["y_train"] - 1}, "y_train has the label -1; valid: 0 to C - 1"),
        (lambda a: a | {"y_test": a["y_test"] + 1}, "y_test has the label 3; valid: 0 to 2"),
        (lambda a: a | {"y_train": 2 * (a["y_train"] % 2)}, "none is 1; valid: each of 0 to C - 1"),
        (lambda a: a | {"y_train": 0 * a["y_train"], "y_test": 0 * a["y_test"]}, "at least two classes"),
        (lambda a: a | {"y_train": a["y_train"][:-1]}, "y_train has the shape (29,); valid: (30,)"),
        (lambda a: a | {"x_test": a["x_test"][:, :3]}, "valid: the same shape"),
        (lambda a: a | {"x_train": a["x_train"].astype(object)}, "x_train is an array of object"),
        (lambda a: a | {"y_train": a["y_train"].astype(object)}, "y_train is an array of object"),
        (lambda a: a | {"y_train": a["y_train"] + 0.5}, "y_train is an array of float64; valid: integers"),
        (lambda a: a | {"x_train": nan_in(a["x_train"])}, "x_train[1, 1] is nan; valid: finite numbers"),
        (lambda a: a | {"x_test": nan_in(a["x_test"])}, "x_test[1, 1] is nan; valid: finite numbers"),
        (lambda a: {name: a[name] for name in a if name != "y_test"}, "there is no array y_test"),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_refused(
    refused: Callable[..., str], tmp_path: Path, change: Callable[[Arrays], Arrays], message: str
) -> None:
    np.savez(tmp_path / "own.npz", **change(arrays()))
    said = refused()
    assert message in said
    assert "own.npz" in said


def test_a_file_larger_than_memory_is_refused(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "own.npz", **arrays())
    monkeypatch.setattr("dfa_tune.problems.npz_file._memory", lambda: 500)
    assert "valid: at most 250, half of the memory" in refused()


def test_a_file_that_is_not_there_or_no_archive_is_refused(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    assert "there is no such file" in refused()
    (tmp_path / "own.npz").write_bytes(b"PK\x03\x04 but no more")
    assert "cannot be read as an .npz file" in refused()


def test_a_loss_that_does_not_fit_the_outputs_is_refused(refused: Callable[..., str]) -> None:
    problem = {"kind": "parity", "dataset": "digits"}
    assert "training.loss" in refused(problem=problem, training={"loss": "cross_entropy"})


def test_a_gate_with_two_hidden_layers_is_refused(refused: Callable[..., str]) -> None:
    ntk = [{"rule": "ntk", "optimizer": "sgd", "learning_rate": 0.1}]
    problem = {"kind": "classification", "dataset": "digits"}
    said = refused(problem=problem, methods=ntk, network={"hidden": [8, 8]})
    assert "ntk-sgd is for one hidden layer" in said


def test_truncated_cifar_files_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (folder / name).write_bytes(b"\x80\x02}q\x00(U")
    said = refused("--data", str(tmp_path / "data"), problem={"kind": "classification", "dataset": "cifar10"})
    assert "data_batch_1: truncated, or not a batch of CIFAR-10" in said


def test_an_unknown_option_of_an_optimizer_is_refused(refused: Callable[..., str]) -> None:
    problem = {"kind": "classification", "dataset": "digits"}
    said = refused(problem=problem, optimizers={"sgd": {"rho": 0.9}})
    assert "optimizers.sgd.rho = 0.9: unknown key; valid: weight_decay" in said

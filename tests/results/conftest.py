"""Rows as a pack publishes them, without training anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfa_tune.results import Store, parquet_file, schema

Rows = list[dict[str, Any]]


def trial_rows(trial_id: str, *, epochs: int = 3, stage: str = "tune", **values: Any) -> Rows:
    """All rows of one trial; its test accuracy at epoch e is e / 100."""
    constants = {
        "trial_id": trial_id,
        "stage": stage,
        "method": "dfa-sgd",
        "rule": "dfa",
        "optimizer": "sgd",
        "feedback": "uniform",
        "learning_rate": 0.1,
        "weight_decay": 1e-3,
        "seed": 0,
        "split": "test",
        "problem": "parity",
        "dataset": "digits",
        "k": 3,
        "test_samples": 100,
        "hidden": "512",
        "activation": "relu",
        "bias": False,
        "epochs": epochs,
        "batch_size": 128,
        "precision": "float32",
        "evaluate_every": 1,
        "device": "cpu",
        "numerics": 1,
    }
    metrics = {"train_loss": 0.5, "diverged": False, "seconds": 0.25}
    return [
        {**constants, **metrics, "epoch": epoch, "test_accuracy": epoch / 100, **values}
        for epoch in range(1, epochs + 1)
    ]


@pytest.fixture
def rows() -> Callable[..., Rows]:
    return trial_rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", "sweep")


@pytest.fixture
def write(store: Store) -> Callable[..., None]:
    """Writes rows as another tool could: `publish` refuses trials that are not complete."""

    def write(stem: str, rows: Rows, into: Store = store) -> None:
        into.epochs.put(f"{stem}.parquet", parquet_file.encode(schema.table(rows, {})))

    return write


@pytest.fixture
def epochs(store: Store) -> Path:
    """The folder of the store's files."""
    return Path(store.path("epochs"))

"""What tests in several folders use."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfa_tune import plugins, registry
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import Sweep, load_sweep
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.planning.trial import Trial
from dfa_tune.results import schema

ROOT = Path(__file__).resolve().parent.parent

# Small products take several times as long where threads share them; tests of threads set their number
os.environ.setdefault("OMP_NUM_THREADS", "1")


# Tests here start Ray, or whole commands with deadlines: several test processes give them to one of them, so
# that they do not take the cores from each other
OF_ONE_PROCESS = tuple(str(ROOT / "tests" / name) for name in ("cli", "faults", "orchestration"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What `pytest -n 2 --dist loadgroup` keeps together."""
    for item in items:
        if str(item.path).startswith(OF_ONE_PROCESS):
            item.add_marker(pytest.mark.xdist_group("ray"))


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets are where a test says, and no plugins are named, whatever this shell's environment has."""
    monkeypatch.delenv("DFA_TUNE_DATA", raising=False)
    monkeypatch.delenv("DFA_TUNE_PLUGINS", raising=False)


@pytest.fixture
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No plugins yet, and those that the test adds are gone after it."""
    for one in registry.REGISTRIES:
        for name, empty in (("_added", {}), ("_installed", {}), ("_named", [])):
            monkeypatch.setattr(one, name, empty)
    monkeypatch.setattr(registry, "_found", False)
    monkeypatch.setattr(plugins._GIVEN, "_files", {})
    before = set(sys.modules)
    yield
    packages = ("lab", "labor")  # of the tests
    for name in set(sys.modules) - before:
        if name.startswith(plugins.FILE_MODULE) or name.split(".")[0] in packages:
            del sys.modules[name]


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path is short enough for Ray's sockets, as that of tmp_path is not."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


MNIST_FOLDERS = [os.environ.get("DFA_TUNE_DATA", ""), str(ROOT.parent / "shared" / "data")]


@pytest.fixture
def mnist_folder() -> Path:
    """The folder with the real MNIST/raw; the test is skipped where there is none."""
    for folder in filter(None, MNIST_FOLDERS):
        if (Path(folder) / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
            return Path(folder)
    pytest.skip("the real MNIST is not on this machine; name its folder with DFA_TUNE_DATA")


# -- plans and rows to analyse, without training anything

SPACE = """
name: tiny
title: BP and DFA on a space for tests
problem: {kind: parity, dataset: digits, k: 3, train_samples: 100, test_samples: 50}
training: {epochs: 4, batch_size: 50, weight_decay: 1.0e-3}
methods:
  - {rule: [bp, dfa], optimizer: sgd}
learning_rates: {sgd: [0.01, 0.1, 1.0]}
tuning: {window: 2}
repetitions: 3
"""

Accuracy = Callable[[Trial, int], float | None]


@pytest.fixture
def space(tmp_path: Path) -> Path:
    """The file of the space SPACE."""
    path = tmp_path / "tiny.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture
def plan(space: Path) -> Callable[..., Plan]:
    """plan("problem.k=[1, 3]"): the plan of SPACE with these overrides."""
    return lambda *overrides: Plan(load_sweep(space, overrides=list(overrides)))


def _learning(trial: Trial, epoch: int) -> float:
    peak = {0.01: 0.6, 0.1: 0.7, 1.0: 0.5}.get(trial.learning_rate, 0.65)
    jitter = (trial.seed % 7) / 100 if trial.stage == "repeat" else 0.0
    return peak + (0.1 if trial.method.rule == "bp" else 0.0) + 0.01 * epoch + jitter


def _records(trial: Trial, accuracy: Accuracy) -> list[dict[str, Any]]:
    epochs = range(1, (trial.until or trial.training.epochs) + 1)
    values = [accuracy(trial, epoch) for epoch in epochs]
    return [
        {
            **trial.columns(),
            "device": "cpu",
            "epoch": epoch,
            "train_loss": None if value is None else 1 - value,
            "test_accuracy": value,
            "gradient_alignment_by_layer": None if value is None else [value],
            "diverged": None in values,
            "stopped": trial.until is not None,
            "seconds": 0.1,
        }
        for epoch, value in zip(epochs, values, strict=True)
    ]


def _trained(plan: Plan, accuracy: Accuracy = _learning, rounds: int = 5) -> SweepResults:
    results = SweepResults(plan, schema.SCHEMA.empty_table().to_pandas())
    for _ in range(rounds):
        due = plan.due(results.scores)
        rows = schema.table([row for trial in due for row in _records(trial, accuracy)], {}).to_pandas()
        results = SweepResults(plan, rows)
    return results


@pytest.fixture
def learning() -> Accuracy:
    """The accuracy of a trial at an epoch: best at the rate 0.1, BP 0.1 above DFA, seeds a little apart."""
    return _learning


@pytest.fixture(scope="session")
def trained() -> Callable[..., SweepResults]:
    """trained(plan, accuracy, rounds): the results of a sweep run to its end; rounds=1: of its tuning alone.

    Where `accuracy` is None, the trial diverged.
    """
    return _trained


# -- search spaces to load

LOADED = {
    "name": "tiny",
    "problem": {"kind": "parity", "dataset": "digits", "k": 3, "train_samples": 100, "test_samples": 50},
    "training": {"epochs": 20},
    "methods": [{"rule": ["bp", "dfa"], "optimizer": "sgd"}],
    "learning_rates": {"sgd": {"low": 0.001, "high": 1.0, "points": 4}},
}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Sweep]:
    """load("problem.k=1", seed=3): the sweep of LOADED with these overrides and top-level keys.

    `text` is a YAML text to load instead, `only` the methods to keep.
    """

    def _load(*overrides: str, only: tuple[str, ...] = (), text: str | None = None, **changes: Any) -> Sweep:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(LOADED | changes) if text is None else text)
        return load_sweep(path, overrides=overrides, methods=only)

    return _load

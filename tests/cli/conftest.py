"""One tiny space, really run through Ray once, and the command as a user would type it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from dfa_tune.cli import app

SPACE = """
name: tiny
title: A tiny space
problem: {kind: parity, dataset: digits, k: 1, train_samples: 256, test_samples: 100}
network: {hidden: 8}
training: {epochs: 2, batch_size: 64}
methods: [{rule: [bp, dfa], optimizer: sgd}, {rule: bp, optimizer: adam, learning_rate: 0.01}]
learning_rates: {sgd: [0.1, 0.2]}
repetitions: 2
"""

TRIALS = 2 * (2 + 2) + 2  # two tuned methods of two rates, and one with a given rate; two repetitions each

Ended = subprocess.CompletedProcess[str]


class Ran(NamedTuple):
    """The file of the tiny space, its results after one run, what the run printed, how many trials it has."""

    space: Path
    results: Path
    process: Ended
    trials: int


def _dfa_tune(*arguments: str, **options: Any) -> Ended:
    command = [sys.executable, "-m", "dfa_tune", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, **({"timeout": 240} | options)
    )


def _invoke(*arguments: str, **environment: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments), env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def tiny() -> str:
    """The text of the tiny space."""
    return SPACE


@pytest.fixture
def dfa_tune() -> Callable[..., Ended]:
    """dfa_tune("list"): the command in a process of its own; options as for `subprocess.run`."""
    return _dfa_tune


@pytest.fixture
def invoke() -> Callable[..., tuple[int, str, str]]:
    """invoke("list", COLUMNS="80"): the command in this process; exit code, standard output and error."""
    return _invoke


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The tiny space after a run, in a folder whose name has a space."""
    folder = tmp_path_factory.mktemp("a run")
    space = folder / "tiny.yaml"
    space.write_text(SPACE)
    process = _dfa_tune("run", str(space), "--results", str(folder / "results"))
    assert process.returncode == 0, process.stdout + process.stderr
    return Ran(space, folder / "results", process, TRIALS)

"""A run whose output cannot be written trains all the same.

uv run pytest -m slow tests/faults/test_output.py
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sweeps import TRIALS, done, write_space


def run(command: str, space: Path, results: Path) -> subprocess.CompletedProcess[str]:
    """A run in a shell; in `command`, RUN stands for it. The exit code is that of the run."""
    words = [sys.executable, "-m", "dfa_tune", "run", str(space), "--results", str(results)]
    script = f"set -o pipefail; {command.replace('RUN', shlex.join(words))}"
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_a_reader_that_leaves_after_a_line_costs_no_work(tmp_path: Path) -> None:
    space, results = write_space(tmp_path, epochs=3), tmp_path / "results"
    ended = run("RUN | head -1", space, results)
    assert len(ended.stdout.splitlines()) == 1
    assert "Traceback" not in ended.stderr
    assert done(space, results) == TRIALS
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["RUN > /dev/full", "RUN >&-", "RUN 2>&-", "RUN 2> /dev/full"])
def test_output_that_goes_nowhere_costs_no_work(tmp_path: Path, command: str) -> None:
    space, results = write_space(tmp_path, epochs=3), tmp_path / "results"
    ended = run(command, space, results)
    assert "Traceback" not in ended.stdout + ended.stderr
    assert done(space, results) == TRIALS

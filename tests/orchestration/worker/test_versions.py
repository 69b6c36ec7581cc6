"""Which versions must be equal on all machines, and what tells two of them apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dfa_tune.orchestration.cluster.submission import stage
from dfa_tune.orchestration.worker.versions import differences, versions


def test_equal_versions_have_no_differences() -> None:
    assert differences(versions(), versions()) == []


def test_a_difference_names_both_versions() -> None:
    theirs = versions() | {"torch": "2.0.0"}
    assert differences(versions(), theirs) == [f"torch 2.0.0 instead of {versions()['torch']}"]
    assert differences({"ray": "2.60.0"}, {}) == ["ray not installed instead of 2.60.0"]


def test_the_same_version_with_other_code_is_another(tmp_path: Path) -> None:
    stage(tmp_path)
    ask = "from dfa_tune.orchestration.worker.versions import versions; print(versions()['dfa_tune'])"

    def found() -> str:
        command = [sys.executable, "-c", ask]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert found() == versions()["dfa_tune"]
    file = tmp_path / "dfa_tune" / "planning" / "trial.py"
    file.write_text(file.read_text() + "# changed\n")
    assert found() != versions()["dfa_tune"]

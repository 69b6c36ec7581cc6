"""A worker whose code is not the driver's does not train."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dfa_tune.bundled import PACKAGE
from dfa_tune.orchestration.worker.versions import versions

RUN = """
import sys
sys.path.insert(1, sys.argv[1])  # a copy that has been changed; workers import what is installed
from dfa_tune import run_sweep
from dfa_tune.errors import UserError
try:
    run_sweep("quickstart", results=sys.argv[2], overrides=["training.device=cpu"])
except UserError as error:
    print(error)
"""


@pytest.mark.slow
def test_workers_with_other_code_than_the_drivers_end_the_run_with_both_versions(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "copy" / "dfa_tune", ignore=ignored)
    shutil.copytree(PACKAGE.parent / "search_spaces", tmp_path / "copy" / "search_spaces")
    with (tmp_path / "copy" / "dfa_tune" / "learning" / "rules" / "dfa.py").open("a") as file:
        file.write("# changed\n")
    command = [sys.executable, "-c", RUN, str(tmp_path / "copy"), str(tmp_path / "results")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.stdout.startswith("workers cannot start: "), done.stderr[-2000:]
    assert f"dfa_tune {versions()['dfa_tune']} instead of " in done.stdout

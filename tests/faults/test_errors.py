"""Errors in workers, as Ray really reports them: the run ends in seconds, and says what went wrong.

uv run pytest -m slow tests/faults/test_errors.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sweeps import TRIALS, write_space
from typer.testing import CliRunner

from dfa_tune.cli import app
from dfa_tune.results import Store
from dfa_tune.results.failures import failures

RULE = """
def transport(weight, feedback):
    return feedback.transpoze(1, 2)
"""
TRAINER = """
from dataclasses import replace

import scaled_dfa

from dfa_tune.learning.rules import dfa
from dfa_tune.orchestration.worker.pack_run import start_training as start

dfa.RULE = replace(dfa.RULE, transport=scaled_dfa.transport)
"""
RUN = """
import json, os, sys, time
from dfa_tune.orchestration.driver.runner import Resources, _run_sweep
from dfa_tune.errors import UserError
space, results, trainer, *broken = sys.argv[1:]
if broken:  # new processes cannot import what this one has imported
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # before Ray is imported
    import dfa_tune.orchestration.driver.searcher
    os.environ["PYTHONPATH"] = os.pathsep.join([*broken, os.environ["PYTHONPATH"]])
begin = time.monotonic()
try:
    outcome = _run_sweep(space, results, trainer=trainer, resources=Resources(pack=3))
    answer = {"failed": outcome.failed, "done": outcome.count.done, "methods": list(outcome.failed_methods)}
except UserError as error:
    answer = {"error": str(error), "failed": {}, "methods": [], "done": 0}
print(json.dumps(answer | {"seconds": time.monotonic() - begin}))
"""


def run(folder: Path, trainer: str, *broken: Path) -> dict:
    """A sweep in a process of its own, whose workers import modules from `folder`."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    space = write_space(folder, epochs=3)
    command = [sys.executable, "-c", RUN, str(space), str(folder / "results"), trainer, *map(str, broken)]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_an_exception_in_a_rule_is_named_at_once_and_the_other_rules_are_trained(tmp_path: Path) -> None:
    (tmp_path / "scaled_dfa.py").write_text(RULE)
    (tmp_path / "trainer.py").write_text(TRAINER)
    answer = run(tmp_path, "trainer:start")
    cause = "AttributeError: 'Tensor' object has no attribute 'transpoze' (scaled_dfa.py:3)"
    assert "error" not in answer, answer
    assert sorted(answer["methods"]) == [["dfa-nesterov", cause], ["dfa-rmsprop", cause]]
    assert answer["done"] == TRIALS - 3 - 2 - 2  # all of BP; DFA's repetitions with RMSProp are not due
    recorded = failures(Store(tmp_path / "results", "faulty"))
    assert recorded.keys() == answer["failed"].keys()
    for failure in recorded.values():
        assert failure.cause == cause
        assert "feedback.transpoze(1, 2)" in failure.traceback
    space = str(tmp_path / "faulty.yaml")
    status = CliRunner().invoke(app, ["status", space, "--results", str(tmp_path / "results")])
    assert cause in status.stdout


@pytest.mark.slow
def test_workers_that_cannot_import_what_the_driver_could_end_the_run_with_the_reason(tmp_path: Path) -> None:
    pyarrow = tmp_path / "broken" / "pyarrow"
    pyarrow.mkdir(parents=True)
    (pyarrow / "__init__.py").write_text("raise ImportError('this pyarrow is broken')")
    answer = run(tmp_path, "nowhere:start", tmp_path / "broken")
    assert "workers cannot start" in answer["error"]
    assert "this pyarrow is broken" in answer["error"]


@pytest.mark.slow
def test_a_trainer_that_workers_cannot_import_fails_every_pack_in_seconds(tmp_path: Path) -> None:
    answer = run(tmp_path, "nowhere:start")
    assert answer["done"] == 0
    (cause,) = {cause for _, cause in answer["methods"]}
    assert cause.startswith("ModuleNotFoundError: No module named 'nowhere'")

"""Machines of different kinds, and machines that come and go: Ray's own, several on this machine.

    uv run pytest -m slow tests/faults/test_machines.py

GPUs are logical ones where there is none: Ray counts them, torch does not see them, and trains on a core.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import watched
from paced import BATCHES
from sweeps import Run, checkpoints, cleared, done, rows, train_alone, wait_for, write_space

from dfa_tune.orchestration.packs.placement import STEP_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
HERE = Path(__file__).parent
EPOCHS = 12
STEPS = EPOCHS * 64  # of a trial
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}


class Machines:
    """A cluster that grows and shrinks as it is told; the head has `cpus` cores and no GPU."""

    def __init__(self, folder: Path, cpus: int) -> None:
        self.log = folder / "log"
        self.log.mkdir()
        path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = TOKEN | {watched.LOG: str(self.log), "PYTHONPATH": path}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "machines", str(cpus)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | self.environment,
        )
        self.address, self.head = self._answer().split()

    def add(self, cpus: int, gpus: int = 0, **variables: str) -> str:
        """A further machine; returns its id."""
        return self._tell(f"add {cpus} {gpus}", *(f"{name}={value}" for name, value in variables.items()))

    def drain(self, node: str, seconds: int) -> str:
        """Notice to a machine; returns what Ray says."""
        return self._tell(f"drain {node} {seconds}")

    def run(self, space: Path, results: Path, *options: str) -> Run:
        """A sweep there; `options` as watched.py takes them."""
        command = [sys.executable, "-m", "watched", str(space), str(results), self.address, *options]
        return Run(command, **self.environment)

    def notes(self) -> list[dict[str, Any]]:
        """See `watched.notes`."""
        return watched.notes(self.log)

    def close(self) -> None:
        """Stop them all."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def _tell(self, *words: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def machines(folder: Path, cpus: int = 1) -> Iterator[Machines]:
    """At the end none is left."""
    made = Machines(folder, cpus)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The rows of the undisturbed sweep: each trial alone, the last one first, without Ray."""
    folder = tmp_path_factory.mktemp("alone")
    return train_alone(write_space(folder, EPOCHS), folder / "results")


def at_once(notes: list[dict[str, Any]]) -> int:
    """The most packs that were being trained at one moment."""
    moments = [(note["begin"], 1) for note in notes] + [(note["end"], -1) for note in notes]
    most = now = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


def test_gpus_and_cores_train_at_once_and_the_results_are_those_of_one_kind(
    tmp_path: Path, expected: pd.DataFrame
) -> None:
    space, results = write_space(tmp_path, EPOCHS), tmp_path / "results"
    space.write_text(space.read_text().replace("device: cpu", "device: auto"))
    with machines(tmp_path) as cluster:
        with_gpu = cluster.add(2, 1)
        with cleared(cluster.run(space, results, "2")) as run:
            code, out, err = run.end(900)
        assert code == 0, out + err
        notes = cluster.notes()
        assert {(note["node"], bool(note["gpus"])) for note in notes} == {
            (with_gpu, True),
            (cluster.head, False),  # and the second core beside the GPU is left alone
        }
        assert at_once(notes) == 2
        pd.testing.assert_frame_equal(rows(space, results), expected, check_exact=True)
        # A fraction of a GPU each, none without: as many at once as the machine has cores
        (tmp_path / "log").rename(tmp_path / "before")
        (tmp_path / "log").mkdir()
        parts = tmp_path / "parts"
        with cleared(cluster.run(space, parts, "2", "0.25", "training.device=cuda")) as run:
            code, out, err = run.end(900)
        assert code == 0, out + err
        notes = cluster.notes()
        assert {(note["node"], tuple(note["gpus"])) for note in notes} == {(with_gpu, ("0",))}
        assert at_once(notes) == 2
        pd.testing.assert_frame_equal(rows(space, parts), expected, check_exact=True)


def test_a_machine_with_notice_costs_little_and_one_of_other_versions_gets_no_work(
    tmp_path: Path, expected: pd.DataFrame
) -> None:
    space, results = write_space(tmp_path, EPOCHS), tmp_path / "results"
    disguise = tmp_path / "packages" / "torch-2.0.0.dist-info"
    disguise.mkdir(parents=True)
    (disguise / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.0.0\n")
    with machines(tmp_path) as cluster:
        leaving = cluster.add(1)
        with cleared(cluster.run(space, results, "1")) as run:
            wait_for(lambda: {note["node"] for note in cluster.notes()} == {cluster.head, leaving}, 600)
            path = os.pathsep.join([str(disguise.parent), cluster.environment["PYTHONPATH"]])
            other = cluster.add(1, 0, PYTHONPATH=path)
            wait_for(lambda: checkpoints(results) and done(space, results) >= 1, 600)
            assert cluster.drain(leaving, 5).split()[0] == "0"
            code, out, err = run.end(900)
        assert code == 0, out + err
        assert "has joined but may not train: torch 2.0.0 instead of" in out
        notes = cluster.notes()
    assert other not in {note["node"] for note in notes}
    last = {node: max(n["end"] for n in notes if n["node"] == node) for node in (leaving, cluster.head)}
    assert last[leaving] < last[cluster.head]  # it was gone before the end
    pd.testing.assert_frame_equal(rows(space, results), expected, check_exact=True)
    repeated = sum(note["steps"] for note in notes) - STEPS * expected.trial_id.nunique()
    assert 0 <= repeated <= 60 / STEP_SECONDS * BATCHES  # a minute of one worker

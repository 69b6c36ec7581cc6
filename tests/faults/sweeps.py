"""A small sweep that is run as a user would, its processes, and the rows it must end with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.sweep_results import load_results, load_sweep_results
from dfa_tune.results import Store

SPACE = """
name: faulty
title: A sweep that is interrupted
problem: {{kind: parity, dataset: digits, k: 2, train_samples: 1024, test_samples: 200}}
network: {{hidden: 32}}
training: {{epochs: {epochs}, batch_size: 16, weight_decay: 0.001, device: cpu}}
methods: [{{rule: [bp, dfa], optimizer: rmsprop}}, {{rule: dfa, optimizer: nesterov, learning_rate: 0.02}}]
learning_rates: {{rmsprop: [0.0003, 0.001, 0.003]}}
tuning: {{window: 3{stop}}}
repetitions: 2
"""
TRIALS = 2 * (3 + 2) + 2


def write_space(folder: Path, epochs: int, stop: str = "") -> Path:
    """The space's file; a trial of 100 epochs takes a core some seconds. `stop`: ", stop: {...}"."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "faulty.yaml"
    path.write_text(SPACE.format(epochs=epochs, stop=stop))
    return path


def rows(space: Path, results: str | Path) -> pd.DataFrame:
    """The rows of the space, without what depends on the clock, as every reader gets them."""
    found = load_results(space, results)
    if found.empty:
        return found
    return found.drop(columns="seconds").sort_values(["trial_id", "epoch"]).reset_index(drop=True)


def train_alone(space: Path, results: str | Path) -> pd.DataFrame:
    """The same rows without Ray: every trial alone, the last one first, in this process."""
    from dfa_tune.orchestration.worker.pack_config import PackConfig, RunSettings
    from dfa_tune.orchestration.worker.pack_run import PackRun

    found = load_sweep_results(space, results)
    plan = found.plan
    state = SweepState(plan, Store(results, plan.sweep.name), found.rows)
    run = RunSettings(results=str(results), name=plan.sweep.name, owner="alone", space=plan.sweep.text)
    while ready := state.ready():
        for trial in reversed(ready):
            work = PackRun(PackConfig(run=run, pack=Pack((trial,))))
            while not work.finished:
                work.advance(60.0)
            work.publish()
        state.refresh()
        state.publish_stopped()
    return rows(space, results)


def paced(space: Path, results: Path, pack: int) -> Run:
    """A run whose packs take some ten seconds each on any machine; see `paced.py`."""
    here = str(Path(__file__).parent)
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    return Run([sys.executable, "-m", "paced", str(space), str(results), str(pack)], PYTHONPATH=path)


class Run:
    """A command that runs a sweep, and all the processes that it started."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a signal goes to those we mean
            env={**os.environ, **environment},
        )
        self.seen: set[int] = {self.process.pid}

    def tree(self) -> dict[int, str]:
        """The living processes that descend from the driver, by pid: their titles; those of Ray with them."""
        found = _processes()
        alive = {self.process.pid, *descendants(self.process.pid)} & found.keys()
        self.seen |= alive
        return {pid: found[pid][1] for pid in alive}

    def workers(self) -> list[int]:
        """The processes that train packs."""
        return sorted(pid for pid, title in self.tree().items() if _trains(title))

    def workers_left(self) -> list[int]:
        """Workers of this run that live on, though their parents may not."""
        found = _processes()
        return [pid for pid in self.left() if pid in found and _trains(found[pid][1])]

    def left(self) -> list[int]:
        """Processes of this run that live on, whoever their parent is by now."""
        return sorted(self.seen & _processes().keys())

    def kill(self, *pids: int) -> None:
        """As the kernel does when memory runs out, or a power cut: nobody is asked."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def end(self, timeout: float = 120) -> tuple[int, str, str]:
        """Waits for the driver: exit code, standard output, standard error."""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err


@contextmanager
def running(space: Path, results: str | Path, *options: str, **environment: str) -> Iterator[Run]:
    """A `dfa-tune run` of which nothing is left afterwards."""
    command = [sys.executable, "-m", "dfa_tune", "run", str(space), "--results", str(results), *options]
    with cleared(Run(command, **environment)) as run:
        yield run


@contextmanager
def cleared(run: Run) -> Iterator[Run]:
    """A run of which nothing is left afterwards."""
    try:
        yield run
    finally:
        run.tree()
        run.kill(*run.left())
        with suppress(subprocess.TimeoutExpired):
            run.process.communicate(timeout=10)


def wait_for(what: Callable[[], object], seconds: float = 90) -> None:
    """Until `what` is true; AssertionError where that takes longer."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain"
        time.sleep(0.1)


def checkpoints(results: Path) -> list[Path]:
    """The sweep's checkpoints at this moment."""
    return sorted((results / "faulty" / "checkpoints").glob("[!.]*.safetensors"))


def done(space: Path, results: str | Path) -> int:
    """How many of the sweep's trials are done."""
    try:
        found = load_results(space, results)
    except UserError:
        return 0
    return 0 if found.empty else found["trial_id"].nunique()


def descendants(pid: int) -> set[int]:
    """The living processes that `pid` started, and those that they did."""
    found, alive = _processes(), {pid}
    while more := {child for child, (parent, _) in found.items() if parent in alive} - alive:
        alive |= more
    return alive - {pid}


def _trains(title: str) -> bool:
    return title.startswith("ray::") and "Trainable" in title


def _processes() -> dict[int, tuple[int, str]]:
    """Every living process by pid: its parent, its title."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            status = (path / "stat").read_text().rpartition(")")[2].split()
            title = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            if status[0] not in "ZX":
                found[int(path.name)] = (int(status[1]), title)
    return found

"""Ours against what a user would pick instead: plain Ray Tune, Optuna with processes, Hydra with joblib.

Each of them trains the plain PyTorch loop, with a DataLoader and with tensors (`loop.py`). Two tasks: 24
short trials, and 12 trials of MNIST parity of 3 epochs. Timed in turn are whole commands. What it costs to
kill them is measured by `benchmarks/kills.py`.

    uv run --group peers python -m benchmarks peers --data DIR --repeats 3
"""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, in_turn, ratio
from benchmarks.options import Options, data_folder
from benchmarks.peers.loop import METHODS, RATES, SEEDS
from benchmarks.sweep import SPACE

HERE = Path(__file__).parent
PEERS = {"Ray Tune": "with_ray_tune", "Optuna": "with_optuna", "Hydra": "with_hydra"}
LOADERS = ("DataLoader", "tensors")
MNIST = """
name: mnist
title: 12 trials of MNIST
problem: {kind: parity, dataset: mnist, k: 3, train_samples: 60000, test_samples: 10000}
network: {hidden: 512}
training: {epochs: 3, batch_size: 128, weight_decay: 1.0e-3}
methods: [{rule: [bp, dfa], optimizer: sgd}]
learning_rates: {sgd: {low: 1.0e-2, high: 1.0e-1, points: 3}}
repetitions: 3
"""
SPACES = {"short": SPACE, "mnist": MNIST}
TITLES = {"short": "24 trials of digits", "mnist": "12 trials of MNIST"}


@dataclass(frozen=True)
class Command:
    """A tool's command for one task, whose results go to a folder."""

    task: str
    tool: str
    loader: str  # "": ours

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.tool}, {self.loader}" if self.loader else self.tool

    def start(self, folder: Path, data: Path, counted: bool = False) -> subprocess.Popen[bytes]:
        """Start it, in a session of its own."""
        folder.mkdir(exist_ok=True)
        if self.loader:
            arguments = [f"benchmarks.peers.{PEERS[self.tool]}", self.task, self.loader, str(folder)]
        else:
            space, kind = folder / f"{self.task}.yaml", "counted_parity" if counted else "parity"
            space.write_text(SPACES[self.task].replace("kind: parity", f"kind: {kind}"))
            arguments = ["dfa_tune", "run", str(space), "--results", str(folder)]
            if counted:
                arguments += ["--plugin", str(HERE / "counted_parity.py"), "--pack", "1"]
        environment = os.environ | {
            "DFA_TUNE_DATA": str(data),
            "COUNTED_TESTS": str(folder / "epochs.log"),
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # `uv run` would slow plain Ray down
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else plain Ray leaves one in the user's home
        }
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=(folder / "stderr.txt").open("ab"),
            env=environment,
            start_new_session=True,
        )

    def run(self, folder: Path, data: Path, counted: bool = False) -> None:
        """Run it to its end."""
        process = self.start(folder, data, counted)
        if process.wait():
            raise RuntimeError(f"{self.name}: {(folder / 'stderr.txt').read_text()[-2000:]}")


def measure(options: Options) -> list[Figure]:
    """Wall times for both tasks, and lines of code."""
    figures = []
    with data_folder(options.data) as data, tempfile.TemporaryDirectory() as name:
        for task in SPACES:
            figures += _task(task, data, Path(name), options)
    return [*figures, *_lines()]


def commands(task: str) -> list[Command]:
    """Ours first."""
    return [
        Command(task, "dfa_tune", ""),
        *(Command(task, tool, loader) for tool in PEERS for loader in LOADERS),
    ]


def trials_of(task: str) -> int:
    """Trials of a task: of the rates, and of the repetitions."""
    return len(METHODS) * (len(RATES[task]) + len(SEEDS))


def _task(task: str, data: Path, folder: Path, options: Options) -> list[Figure]:
    count, repeats = iter(range(1_000)), 1 if options.quick else options.repeats
    taken = in_turn(
        {
            one.name: lambda one=one: one.run(folder / f"{task}-{next(count)}", data)  # type: ignore[misc]
            for one in commands(task)
        },
        repeats,
        warm=0,
    )
    group, title = f"peers {task}", TITLES[task]
    figures = [
        Figure(
            group=group,
            name=f"{title}: dfa_tune, wall time",
            value=statistics.median(taken["dfa_tune"]),
            unit="s",
            low=min(taken["dfa_tune"]),
            high=max(taken["dfa_tune"]),
            repeats=repeats,
        )
    ]
    figures += [
        ratio(group, f"{title}: {one.name} / dfa_tune", taken, one.name, "dfa_tune", at_least=True)
        for one in commands(task)[1:]
    ]
    return figures


def _lines() -> list[Figure]:
    """Lines that a user writes: code without comments, texts and blank lines; for ours the search space."""
    figures = [
        Figure(group="peers", name="lines a user writes: dfa_tune", value=len(MNIST.split("\n")) - 2, unit="")
    ]
    for tool, module in PEERS.items():
        code = (HERE / f"{module}.py").read_text().split('"""', 2)[2].splitlines()
        written = [line for line in code if line.strip() and not line.strip().startswith(("#", '"""'))]
        name = f"lines a user writes: {tool}, besides the training loop"
        figures.append(Figure(group="peers", name=name, value=len(written), unit=""))
    return figures

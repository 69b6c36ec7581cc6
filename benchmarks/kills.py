"""What `kill -9` costs ours, plain Ray Tune, Optuna and Hydra, on the tasks of `benchmarks/peers`.

Each command is killed with its whole process group once four tenths of its epochs are trained, when trials
are in the midst of their training, and run again as its documentation says. Counted are epochs and finished
trials that are trained a second time. Nothing is timed, so that the machine need not be idle.

    uv run --group peers python -m benchmarks kills --data DIR
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd

from benchmarks.figures import Figure
from benchmarks.options import Options, data_folder
from benchmarks.peers import SPACES, TITLES, Command, commands, trials_of
from benchmarks.peers.loop import EPOCHS

KILLED_AFTER = 0.4  # of a task's epochs


def measure(options: Options) -> list[Figure]:
    """For both tasks and each tool: the epochs and the finished trials that are trained again."""
    figures = []
    with data_folder(options.data) as data, tempfile.TemporaryDirectory() as name:
        for task in SPACES:
            for one in commands(task):
                if one.loader in ("", "tensors"):
                    figures += _killed(one, Path(name) / f"{one.tool}-{task}", data)
    return figures


def _killed(one: Command, folder: Path, data: Path) -> list[Figure]:
    """What is trained twice when a run is killed, and run again."""
    log, wanted = folder / "epochs.log", EPOCHS[one.task] * trials_of(one.task)
    process = one.start(folder, data, counted=True)
    while len(_lines_of(log)) < KILLED_AFTER * wanted:
        if process.poll() is not None:
            raise RuntimeError(f"{one.name} ended early: {(folder / 'stderr.txt').read_text()[-2000:]}")
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(5)  # workers notice that their driver is gone
    before = _lines_of(log)
    complete = _complete(one, folder, before)
    one.run(folder, data, counted=True)
    lines = _lines_of(log)
    if one.loader:
        again = Counter(line for line in lines if line.endswith(f" {EPOCHS[one.task]}"))
        lost = sum(again[line] > 1 for line in complete)
    else:
        lost = len(set(complete) - set(_complete(one, folder, lines)))
    if len(lines) < wanted:
        raise RuntimeError(f"{one.name} trained {len(lines)} epochs only, not {wanted}")
    about = f"{TITLES[one.task]}: {one.tool}, kill -9 after {len(before)} of {wanted} epochs"
    counts = {"epochs trained again": len(lines) - wanted, "finished trials trained again": lost}
    return [Figure(group="kills", name=f"{about}: {what}", value=n, unit="") for what, n in counts.items()]


def _lines_of(log: Path) -> list[str]:
    """One for each epoch that was trained."""
    return log.read_text().splitlines() if log.exists() else []


def _complete(one: Command, folder: Path, lines: list[str]) -> list[str]:
    """The trials that are finished: the lines of their last epochs, or for ours their ids and seconds.

    A trial of ours that is trained a second time has other seconds.
    """
    if one.loader:
        return [line for line in lines if line.endswith(f" {EPOCHS[one.task]}")]
    files = list(folder.glob("*/epochs/*.parquet"))
    if not files:
        return []
    seconds = pd.concat(map(pd.read_parquet, files)).groupby("trial_id")["seconds"].sum()
    return [f"{trial} {spent}" for trial, spent in seconds.items()]

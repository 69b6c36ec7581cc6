"""The start and end of a sweep, part by part: what a sweep costs beyond its training.

A sweep whose training takes next to no time, in a process of its own, with the summary and the figure. Each
part has its wall time and its CPU seconds: of the command, and of all of Ray's processes. On a machine that
others use too, wall times are meaningless, but CPU seconds and their shares are not.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.options import Options
from dfa_tune.orchestration.packs.pack import Pack

SPACE = """
name: start
title: A sweep that takes no time
problem: {kind: parity, dataset: digits, k: 2, train_samples: 256, test_samples: 100}
network: {hidden: 16}
training: {epochs: 2, batch_size: 64, device: cpu}
methods: [{rule: [bp, dfa], optimizer: sgd}]
learning_rates: {sgd: [0.01, 0.03, 0.1, 0.3]}
repetitions: 2
"""
PARTS = {
    "imports": "the command's imports, and planning",
    "ray": "Ray: its import, and its start",
    "workers": "Tune's import, and until the first worker begins to train",
    "training": "until the last pack is published",
    "ray's end": "until Ray has ended",
    "results": "the summary and the figure",
}
WHOLE = "12 trials that train next to nothing: all of it"
MARKS = "DFA_TUNE_MARKS"  # the environment variable with the file of marks
TICKS = os.sysconf("SC_CLK_TCK")


def measure(options: Options) -> list[Figure]:
    """Medians over whole processes of each part's wall time and CPU seconds, and of the sum."""
    runs = [_run() for _ in range(1 if options.quick else options.repeats)]
    figures = []
    for unit, index in (("s", 0), ("CPU s", 1)):
        parts = {text: [run[part][index] for run in runs] for part, text in PARTS.items()}
        parts[WHOLE] = [sum(run[part][index] for part in PARTS) for run in runs]
        figures += [
            Figure(
                group=f"7 start, {'wall time' if unit == 's' else 'CPU seconds of all processes'}",
                name=text,
                value=statistics.median(values),
                unit=unit,
                low=min(values),
                high=max(values),
                repeats=len(values),
                target=(12, 12) if (unit, text) == ("s", WHOLE) else None,
            )
            for text, values in parts.items()
        ]
    return figures


def start(pack: Pack, data: str | None, threads: int) -> Any:
    """In place of `start_training`: notes when a worker has a pack."""
    from dfa_tune.orchestration.worker.pack_run import start_training

    mark("workers")
    return start_training(pack, data, threads)


def mark(part: str) -> None:
    """Note that `part` ends now. Workers note when each of their packs begins; the first one counts."""
    with Path(os.environ[MARKS]).open("a") as file:
        file.write(json.dumps([part, time.time(), _cpu_seconds(int(os.environ["DFA_TUNE_DRIVER"]))]) + "\n")


def _run() -> dict[str, tuple[float, float]]:
    """(wall time, CPU seconds) of each part of one sweep."""
    with tempfile.TemporaryDirectory() as name:
        marks, space = Path(name) / "marks", Path(name) / "start.yaml"
        space.write_text(SPACE)
        command = [sys.executable, "-m", "benchmarks.start", str(space), f"{name}/results"]
        begin = time.time()
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {MARKS: str(marks)})
        found: dict[str, tuple[float, float]] = {}
        for line in marks.read_text().splitlines():
            part, *now = json.loads(line)
            found.setdefault(part, tuple(now))
    before, parts = (begin, 0.0), {}
    for part in PARTS:
        parts[part] = (found[part][0] - before[0], max(0.0, found[part][1] - before[1]))
        before = found[part]
    return parts


def _cpu_seconds(root: int) -> float:
    """CPU seconds that process `root` and its living descendants have used."""
    processes = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        processes[int(folder.name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS
    tree = {root}
    while more := {pid for pid, (parent, _) in processes.items() if parent in tree} - tree:
        tree |= more
    return sum(processes[pid][1] for pid in tree if pid in processes)


def _child(space: str, results: str) -> None:
    """The command, with a mark at the end of each part."""
    os.environ["DFA_TUNE_DRIVER"] = str(os.getpid())
    from dfa_tune.orchestration.cluster import session
    from dfa_tune.orchestration.driver import runner

    started, ended, run_sweep = session.Session.start, session.Session.__exit__, runner._run_sweep

    def start_session(self: session.Session) -> Any:
        mark("imports")
        machines = started(self)
        mark("ray")
        return machines

    def end_session(self: session.Session, *exception: object) -> None:
        mark("training")
        ended(self, *exception)
        mark("ray's end")

    session.Session.start = start_session  # type: ignore[method-assign]
    session.Session.__exit__ = end_session  # type: ignore[method-assign]
    runner._run_sweep = lambda *sweep, **options: run_sweep(
        *sweep, **options, trainer="benchmarks.start:start"
    )
    sys.argv = ["dfa-tune", "run", space, "--results", results]
    from dfa_tune.__main__ import main

    try:
        main()
    finally:
        mark("results")


if __name__ == "__main__":
    _child(*sys.argv[1:])

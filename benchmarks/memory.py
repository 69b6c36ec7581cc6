"""The peak memory of a worker: the state of its pack, a batch, and its share of one copy of the data set.

Two processes train one pack each, as two workers on a machine do. Their own (anonymous) memory is compared
with what `--pack auto` estimates for a pack. The images are mapped from their files: both processes together
should have them in memory once.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from mmap import PAGESIZE
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.options import Options, data_folder

SPACE = """
name: memory
title: memory
problem: {{kind: parity, dataset: mnist, k: 3, train_samples: {samples}, test_samples: {tests}}}
network: {{hidden: {width}}}
training: {{epochs: 1000, batch_size: 128, weight_decay: 1.0e-3, device: cpu}}
methods: [{{rule: {rule}, optimizer: {optimizer}}}]
learning_rates: {{{optimizer}: {{low: 1.0e-4, high: 1.0e-3, points: 8}}}}
"""
CASES = (("dfa", "sgd"), ("dfa", "adam"), ("relu_features", "adadelta"))
SLACK = (1.25, 1.1)  # x the estimate: for the allocator's rounding and what Python itself needs


def measure(options: Options) -> list[Figure]:
    """For each case, two workers at the same time."""
    with data_folder(options.data) as folder:
        return [
            figure
            for rule, optimizer in CASES
            for figure in _case(rule, optimizer, folder.absolute(), options)
        ]


def _case(rule: str, optimizer: str, folder: Path, options: Options) -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        space = Path(name) / "memory.yaml"
        space.write_text(
            SPACE.format(
                samples=options.samples // 4,
                tests=options.tests,
                width=options.width,
                rule=rule,
                optimizer=optimizer,
            )
        )
        command = [sys.executable, "-m", "benchmarks.memory", str(space), str(folder)]
        workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        found = [json.loads(worker.communicate()[0].splitlines()[-1]) for worker in workers]
    own = [one["anonymous"] / one["estimated"] for one in found]
    shared = sum(one["mapped"] for one in found) / found[0]["files"]
    title = f"{rule} {optimizer}, pack of {found[0]['members']}"
    return [
        Figure(
            group="7 memory",
            name=f"{title}: a worker's own memory / the estimate for its pack",
            value=statistics.median(own),
            target=SLACK,
            low=min(own),
            high=max(own),
            repeats=len(own),
            measured={key: found[0][key] for key in ("anonymous", "estimated", "baseline")},
            note="measured: bytes",
        ),
        Figure(
            group="7 memory",
            name=f"{title}: data set in memory, both workers together / its files",
            value=shared,
            target=(1.0, 1.0),
            repeats=len(found),
        ),
    ]


def worker(space: str, folder: str) -> dict[str, float]:
    """Train a pack for two epochs in this process: bytes of memory beyond those of the imports."""
    # Every worker has these two imported: they are loaded before anything is counted
    import ray.tune  # noqa: F401
    import torch  # noqa: F401

    from dfa_tune.orchestration.packs.memory import pack_bytes
    from dfa_tune.orchestration.packs.pack import Pack
    from dfa_tune.orchestration.worker.pack_run import start_training
    from dfa_tune.planning.plan import Plan
    from dfa_tune.planning.sweep import load_sweep
    from dfa_tune.problems.datasets import raw_files

    pack = Pack(tuple(Plan(load_sweep(space)).due({})))
    baseline, peak = _anonymous(), _Peak()
    training = start_training(pack, folder, 1)
    for _ in range(2):
        training.run_epoch()
    files = raw_files("mnist", Path(folder)).values()
    return {
        "anonymous": peak.stop() - baseline,
        "baseline": baseline,
        "estimated": pack_bytes(pack.trials),
        "mapped": _mapped([str(path) for path in files]),
        "files": sum(-(-path.stat().st_size // PAGESIZE) * PAGESIZE for path in files),  # in whole pages
        "members": len(pack.trials),
    }


class _Peak:
    """The peak of this process's anonymous memory from now on, sampled every few milliseconds."""

    def __init__(self) -> None:
        self._peak, self._stopped = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopped.wait(0.005):
            self._peak = max(self._peak, _anonymous())

    def stop(self) -> int:
        self._stopped.set()
        self._thread.join()
        return self._peak


def _anonymous() -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) * 1024


def _mapped(files: list[str]) -> int:
    """Bytes of the resident pages of `files` in this process; a page that two processes share counts half."""
    time.sleep(2)  # the other worker is to have read its part too
    total, ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0]:
            ours = any(line.endswith(name) for name in files)
        elif ours and line.startswith("Pss:"):
            total += int(line.split()[1]) * 1024
    return total


if __name__ == "__main__":
    print(json.dumps(worker(*sys.argv[1:])))

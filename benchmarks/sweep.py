"""A sweep of 24 short trials against plain Ray Tune, from the start of the command to its end.

Both are whole processes, with imports and the start of Ray; ours also draws the figure. Plain Ray Tune has
our training inside (see plain_tune), so that only orchestration differs.
"""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.figures import Figure, in_turn, ratio
from benchmarks.options import Options
from dfa_tune.orchestration.cluster.session import available_cpus

SPACE = """
name: short
title: 24 short trials
problem: {kind: parity, dataset: digits, k: 3, train_samples: 10000, test_samples: 1000}
network: {hidden: 128}
training: {epochs: 5, batch_size: 128}
methods: [{rule: [bp, dfa], optimizer: sgd}]
learning_rates: {sgd: {low: 1.0e-2, high: 1.0, points: 9}}
repetitions: 3
"""


def measure(options: Options) -> list[Figure]:
    """Ours and plain Ray Tune alternately, and our wall time beyond what the cores spent on training."""
    repeats = 1 if options.quick else options.repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        space = folder / "short.yaml"
        space.write_text(SPACE)
        spent: list[float] = []
        count = iter(range(1_000))

        def ours() -> None:
            results = folder / f"ours-{next(count)}"
            _run(["dfa_tune", "run", str(space), "--results", str(results)])
            spent.append(float(pd.read_parquet(results / "short" / "epochs")["seconds"].sum()))

        def plain() -> None:
            _run(["benchmarks.plain_tune", str(space), str(folder / f"plain-{next(count)}")])

        # No warm-up rounds: each run is a process of its own
        taken = in_turn({"ours": ours, "plain": plain}, repeats, warm=0)
    walls = taken["ours"]
    medians = {"wall": statistics.median(walls), "training": statistics.median(spent)}
    over = [wall - 1.25 * train / available_cpus() for wall, train in zip(walls, spent, strict=True)]
    beyond = Figure(
        group="5 sweep",
        name="24 short trials: wall time beyond 1.25 x training seconds / cores",
        value=statistics.median(over),
        unit="s",
        target=(20, 12),
        low=min(over),
        high=max(over),
        repeats=repeats,
        measured=medians,
    )
    title = "24 short trials: plain Ray Tune / ours"
    return [ratio("5 sweep", title, taken, "plain", "ours", target=(4, 5), at_least=True), beyond]


def _run(module: list[str]) -> None:
    environment = os.environ | {
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # `uv run` would slow plain Ray down
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else plain Ray leaves one in the user's home
    }
    subprocess.run([sys.executable, "-m", *module], check=True, stdout=subprocess.DEVNULL, env=environment)

"""Orchestration alone: 10,000 trials whose training takes no time (see fake_training).

One process plans, starts Ray, runs every pack and fills the store; another one loads the results.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.fake_training import write_space
from benchmarks.figures import Figure
from benchmarks.options import Options

EPOCHS = 20
REST = 5.0  # seconds in which Ray's processes end, so that loading is timed on idle cores


def measure(options: Options) -> list[Figure]:
    """Medians over whole processes; `quick`: one of them, with a tenth of the trials."""
    trials = 1_000 if options.quick else 10_000
    runs = [_child(trials) for _ in range(1 if options.quick else options.repeats)]
    limits: dict[str, tuple[str, tuple[float, float]]] = {
        "run": ("s", (60, 60)),
        "growth of the driver's memory": ("MB", (200, 200)),
        "planning": ("s", (2, 2)),
        "loading into pandas": ("s", (1, 1)),
    }
    return [
        Figure(
            group="6 orchestration",
            name=f"{trials:,} trials: {name}",
            value=statistics.median(values),
            unit=unit,
            target=limit,
            low=min(values),
            high=max(values),
            repeats=len(values),
        )
        for name, (unit, limit) in limits.items()
        for values in ([run[name] for run in runs],)
    ]


def _child(trials: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        space = str(write_space(Path(folder), trials, EPOCHS))
        found: dict[str, float] = {}
        for part in ("end_to_end", "loading"):
            command = [sys.executable, "-m", "benchmarks.orchestration", part, space, f"{folder}/results"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found |= json.loads(done.stdout.splitlines()[-1])
            time.sleep(REST)
        return found


def end_to_end(space: str, results: str) -> dict[str, float]:
    """Plan and run the space in this process: seconds by part, and the growth of memory in MB."""
    from dfa_tune.orchestration.driver.runner import _run_sweep
    from dfa_tune.orchestration.packs.pack_size import SizeLimits, make_packs
    from dfa_tune.planning.plan import Plan
    from dfa_tune.planning.state import SweepState
    from dfa_tune.planning.sweep import load_sweep
    from dfa_tune.results.store import Store

    found: dict[str, float] = {}
    begin = time.perf_counter()
    sweep = load_sweep(space)
    plan = Plan(sweep)
    store = Store(results, sweep.name)
    state = SweepState(plan, store, store.read())
    every = plan.due({trial.id: 0.5 for trial in state.ready()})  # as if all rates were chosen
    packs = make_packs(every, SizeLimits(size="auto", slots=2))
    found["planning"] = time.perf_counter() - begin
    assert sum(len(pack.trials) for pack in packs) == plan.planned
    del plan, state, every, packs

    memory = _Memory()
    begin = time.perf_counter()
    outcome = _run_sweep(sweep, results, trainer="benchmarks.fake_training:start")
    found["run"] = time.perf_counter() - begin
    found["growth of the driver's memory"] = memory.growth()
    assert outcome.count.remaining == 0

    return found


def loading(space: str, results: str) -> dict[str, float]:
    """Seconds to load the results in a process that has done nothing else, as a notebook does."""
    from dfa_tune.planning.sweep import load_sweep
    from dfa_tune.planning.sweep_results import load_results

    sweep = load_sweep(space)
    begin = time.perf_counter()
    rows = load_results(sweep, results)
    found = {"loading into pandas": time.perf_counter() - begin}
    assert rows["trial_id"].nunique() * EPOCHS == len(rows) > 0
    return found


class _Memory:
    """How far this process's resident memory grows from now on, at its peak; Ray and Tune included."""

    def __init__(self) -> None:
        self._first = self._peak = self._now()
        threading.Thread(target=self._watch, daemon=True).start()

    def growth(self) -> float:
        """Megabytes."""
        return (max(self._peak, self._now()) - self._first) / 1e6

    def _watch(self) -> None:
        while True:
            self._peak = max(self._peak, self._now())
            time.sleep(0.05)

    @staticmethod
    def _now() -> int:
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["VmRSS"].split()[0]) * 1024


if __name__ == "__main__":
    part, *where = sys.argv[1:]
    print(json.dumps({"end_to_end": end_to_end, "loading": loading}[part](*where)))

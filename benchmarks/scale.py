"""How far one driver scales: 100,000 trials and 1,000 logical workers whose training takes no time.

    uv run python -m benchmarks.scale            # about twenty minutes; --quick: a tenth of the trials;
                                                 # --part ours or --part tunes: only one of the two parts

A thousand processes do not fit on one machine, so there are two parts. The first measures our own share:
planning, handing out packs and taking in results, with a thousand packs of one trial at a time, and a loop in
place of Tune. The second measures the share of Ray and Tune: what a report and a pack cost the driver, from
runs with a few real workers that do nothing but report. Together they say how many workers keep a driver busy
all the time; docs/CLUSTER.md says what to do then.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

from benchmarks.fake_training import FakeTraining, write_space
from dfa_tune.orchestration.driver.runner import Resources, _run_sweep
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.packs.placement import LONGEST_STEP, STEP_SECONDS, Slots
from dfa_tune.orchestration.worker.pack_config import RunSettings
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.sweep_results import load_sweep_results
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store

WORKERS = 1000
TRIALS = 100_000


class ReportingTraining(FakeTraining):
    """Ends a step after each epoch, so that the driver gets a report of each."""

    def advance(self, seconds: float, until: int | None = None) -> list[dict[str, Any]]:
        """One epoch."""
        return self.run_epoch()


def reporting(pack: Pack, data: str | None, threads: int) -> ReportingTraining:
    """Start this training in place of the real one."""
    return ReportingTraining(pack)


def own_share(folder: Path, trials: int, workers: int) -> dict[str, float]:
    """Seconds of the driver for the whole sweep, without Ray, Tune and what workers do."""
    from dfa_tune.orchestration.driver.searcher import TuneThenRepeat

    begin = time.perf_counter()
    sweep = load_sweep(write_space(folder, trials, epochs=1))
    store = Store(folder / "results", sweep.name)
    found = load_sweep_results(sweep, store.location)
    state = SweepState(found.plan, store, found.rows)
    leases = Leases(store)
    run = RunSettings(results=str(store.location), name=sweep.name, owner=leases.owner, space=sweep.text)
    searcher = TuneThenRepeat(state, leases, run, size=1, slots=[Slots(request={"CPU": 1.0}, count=workers)])
    flying: deque[tuple[str, Pack]] = deque()
    planning = time.perf_counter() - begin
    spent, packs = 0.0, 0
    while True:
        begin = time.perf_counter()
        while len(flying) < workers:
            answer = searcher.suggest(str(packs))
            if not isinstance(answer, dict):
                break
            flying.append((str(packs), searcher.running[str(packs)].pack))
            packs += 1
        spent += time.perf_counter() - begin
        if not flying:
            break
        name, pack = flying.popleft()
        publish(store, leases, pack)
        begin = time.perf_counter()
        searcher.on_trial_complete(trial_id=name, result={"progress": 1.0, "pack_seconds": 0.0})
        spent += time.perf_counter() - begin
    assert state.count().remaining == 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"trials": trials, "planning": planning, "driving": spent, "packs": packs, "memory": peak}


def publish(store: Store, leases: Leases, pack: Pack) -> None:
    """Publish a pack, as a worker does at its end."""
    training = FakeTraining(pack)
    rows = training.advance(1.0)
    columns = [{**trial.columns(), "device": "cpu"} for trial in pack.trials]
    store.publish(pack.id, [{**columns[row.pop("member")], **row} for row in rows], {})
    leases.release(pack.id)


def tunes_share(folder: Path, packs: int, reports: int) -> tuple[float, float]:
    """Seconds of a real run with `packs` packs of one trial, each of which makes `reports` reports.

    Returns the processor time of the driver (all its threads), and the wall time, in which it waits for its
    few workers.
    """
    sweep = load_sweep(write_space(folder, packs, epochs=reports))
    begin, busy = time.perf_counter(), time.process_time()
    outcome = _run_sweep(
        sweep, folder / "results", resources=Resources(pack=1), trainer="benchmarks.scale:reporting"
    )
    assert outcome.count.remaining == 0
    return time.process_time() - busy, time.perf_counter() - begin


def main() -> None:
    """Measure the two parts and print what they cost."""
    parser = argparse.ArgumentParser(description="How far one driver scales.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the trials; not for quoting")
    parser.add_argument("--part", choices=("ours", "tunes"), help="measure only one of the two parts")
    options = parser.parse_args()
    if options.part != "tunes":
        measure_ours(TRIALS // 10 if options.quick else TRIALS)
    if options.part != "ours":
        measure_tunes(times=1 if options.quick else 3)


def measure_ours(trials: int) -> None:
    """Measure and print what the driver's own work costs, with a loop in place of Tune."""
    # In memory, so that a disk which others use is not what is measured
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        own = own_share(Path(folder), trials, WORKERS)
    print(
        f"{own['trials']:,} trials, {WORKERS:,} workers: planned in {own['planning']:.1f} s;"
        f" {own['packs']:,.0f} packs handed out and taken in for {own['driving']:.1f} s of the driver,"
        f" {1000 * own['driving'] / own['packs']:.1f} ms a pack; it grew to {own['memory']:.0f} MB",
        flush=True,
    )


def measure_tunes(times: int) -> None:
    """Measure and print what a pack and a report cost with Ray and Tune, and how many workers that allows."""
    # Three runs that differ in one number: what they have in common (the start) cancels out
    runs: dict[tuple[int, int], list[tuple[float, float]]] = {(100, 1): [], (300, 1): [], (100, 41): []}
    for _ in range(times):
        for (packs, reports), seconds in runs.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds.append(tunes_share(Path(folder), packs, reports))
    for clock, name in enumerate(("of the driver's processor time", "of the wall's, with a worker a core")):
        base, more_packs, more_reports = (
            statistics.median(both[clock] for both in seconds) for seconds in runs.values()
        )
        pack, report = (more_packs - base) / 200, (more_reports - base) / (100 * 40)
        print(f"with Ray and Tune: {1000 * pack:.0f} ms a pack, {1000 * report:.1f} ms a report, {name}")
        for step in (STEP_SECONDS, LONGEST_STEP):
            long, short = step / report, 60 / (pack + 60 / step * report)
            print(
                f"- a report every {step:g} s: one driver is busy all the time with {long:,.0f} workers on"
                f" long packs, or {short:,.0f} on packs of a minute"
            )


if __name__ == "__main__":
    main()

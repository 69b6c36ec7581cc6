"""Running a sweep: whatever is not done yet, on this machine or a cluster."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.placement import Machines, find_slots
from dfa_tune.orchestration.packs.placement import Resources as Resources
from dfa_tune.orchestration.worker.versions import versions
from dfa_tune.planning.state import Count, SweepState
from dfa_tune.planning.sweep import Sweep, load_sweep
from dfa_tune.planning.sweep_results import load_sweep_results
from dfa_tune.problems.datasets import data_folder
from dfa_tune.problems.download import ensure
from dfa_tune.results import failures, maintenance
from dfa_tune.results.store import Store

if TYPE_CHECKING:
    from rich.console import Console

TRAINER = "dfa_tune.orchestration.worker.pack_run:start_training"


@dataclass(frozen=True)
class Outcome:
    """What a run did. `failed`: trial ids with what their worker said."""

    count: Count
    trained: int
    taken_over: int
    set_aside: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def run_sweep(
    space: str | Path | Sweep,
    results: str | Path = "results",
    *,
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    methods: Sequence[str] = (),
    resources: Resources | None = None,
    console: Console | None = None,
    trainer: str = TRAINER,
    meanwhile: Callable[[], object] | None = None,
) -> Outcome:
    """Train what is not done of `space` (a name, a path or a Sweep) and publish it under `results`.

    `overrides` ("training.epochs=2") and `methods` change the space as `--set` and `--method` do. May be
    stopped at any time and called again. Starts neither Ray nor torch where nothing is left. Raises
    UserError, before anything starts, where the space, its data or the results' folder are not usable.

    `trainer` ("module:function", importable by the workers) starts a pack's training; another one than ours
    is how orchestration is measured and tested without training anything (benchmarks/orchestration.py).
    `meanwhile` is called in a thread of its own while Ray starts, if there is anything to train.
    """
    sweep = space
    if not isinstance(sweep, Sweep):
        sweep = load_sweep(sweep, overrides=overrides, methods=methods, results=results)
    for dataset in sweep.datasets:
        ensure(dataset, data)
    store = Store(results if "://" in str(results) else Path(results).absolute(), sweep.name)
    store.check_writable()
    set_aside = maintenance.set_aside(store)
    maintenance.drop_copies(store)
    failures.clear(store)
    known = store.names()  # before they are read: what comes meanwhile is read again
    found = load_sweep_results(sweep, store.location, data=data)
    state = SweepState(found.plan, store, found.rows, known)
    taken_over = state.take_over()
    before = state.count()
    failed: dict[str, str] = {}
    if before.remaining:
        failed = _train(sweep, state, data, resources or Resources(), console, trainer, meanwhile)
    count = state.count()
    return Outcome(count, count.done - before.done, taken_over, set_aside, failed)


def _train(
    sweep: Sweep,
    state: SweepState,
    data: str | Path | None,
    resources: Resources,
    console: Console | None,
    trainer: str,
    meanwhile: Callable[[], object] | None,
) -> dict[str, str]:
    """One `Tuner.fit()` over all that is left; returns what failed."""
    from rich.console import Console

    from dfa_tune.orchestration.cluster.session import Session

    devices = {point.training.device for point in sweep.points}
    use_gpus = devices != {"cpu"} and resources.gpus_per_pack != 0
    with Session(resources.address, use_gpus=use_gpus) as session:
        from dfa_tune.orchestration.driver.progress import Progress

        with Progress(console or Console(quiet=True), sweep.name) as progress:
            if meanwhile is not None:  # not before: from here on this process waits for others
                threading.Thread(target=meanwhile, daemon=True).start()
            return _fit(sweep, state, data, resources, session.start(), progress, trainer)


def _fit(
    sweep: Sweep,
    state: SweepState,
    data: str | Path | None,
    resources: Resources,
    machines: Machines,
    progress: Any,
    trainer: str,
) -> dict[str, str]:
    from ray import tune

    from dfa_tune.orchestration.driver.scheduler import PackScheduler
    from dfa_tune.orchestration.driver.searcher import TuneThenRepeat
    from dfa_tune.orchestration.worker.trainable import PackTrainable
    from dfa_tune.results.leases import Leases

    devices = {point.training.device for point in sweep.points}
    leases = Leases(state.store, uuid.uuid4().hex)
    constant = {
        "results": str(state.store.location),
        "name": sweep.name,
        "data": str(data_folder(data).absolute()) if sweep.datasets else None,
        "threads": resources.cpus_per_pack,
        "owner": leases.owner,
        "space": sweep.text,
        "save_weights": sweep.save_weights,
        "trainer": trainer,
        "versions": versions() if resources.address else None,
    }
    # Tune lets a searcher have one trial pending; ours knows how many packs should wait for a worker
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = "1000000"
    slots = find_slots(machines, resources, devices)
    searcher = TuneThenRepeat(state, leases, constant, size=resources.pack, slots=slots)
    progress.watch(searcher)

    def follow(machines: Machines) -> None:
        with suppress(UserError):  # what packs want is not there just now: they wait
            searcher.slots = find_slots(machines, resources, devices)

    scratch = tempfile.mkdtemp(prefix="dfa_tune-")  # Tune's own notes; ours are in the store
    try:
        with _watched(state, constant, sweep, resources, follow, progress), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuner = tune.Tuner(
                PackTrainable,
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    scheduler=PackScheduler(searcher),
                    num_samples=-1,
                    max_concurrent_trials=resources.max_concurrent,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    name=sweep.name,
                    storage_path=scratch,
                    verbose=0,
                    callbacks=[progress],
                    failure_config=tune.FailureConfig(max_failures=0),  # the searcher knows better
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                ),
            )
            tuner.fit()
    finally:
        with suppress(UserError):  # a lease that cannot be given back expires
            for pack in searcher.running.values():
                leases.release(pack.id)
        shutil.rmtree(scratch, ignore_errors=True)
    failed = {
        pack: searcher.causes.get(pack.id) or searcher.said.get(trial, "its worker died")
        for trial, pack in searcher.failed.items()
    }
    for pack, cause in failed.items():
        failures.record(state.store, pack.id, [trial.id for trial in pack.trials], cause)
    return {trial.id: cause for pack, cause in failed.items() for trial in pack.trials}


def _watched(
    state: SweepState,
    constant: dict[str, Any],
    sweep: Sweep,
    resources: Resources,
    follow: Callable[[Machines], None],
    progress: Any,
) -> AbstractContextManager[Any]:
    """On a cluster, a watch over its machines; raises UserError where one may not train."""
    if resources.address is None:
        return nullcontext()
    from dfa_tune.orchestration.cluster.nodes import Expected, Nodes

    expected = Expected.here(state.store, constant["data"], sweep.datasets, constant["owner"])
    return Nodes(expected, state.store, changed=follow, tell=progress.say)

"""Running a sweep: whatever is not done yet, on this machine or a cluster."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfa_tune.errors import UserError
from dfa_tune.orchestration.driver.failed_pack import FailedPack
from dfa_tune.orchestration.driver.notebook_display import notebook_console
from dfa_tune.orchestration.packs.placement import Machines, find_slots
from dfa_tune.orchestration.packs.placement import Resources as Resources
from dfa_tune.orchestration.worker.checkpoints import Checkpoints
from dfa_tune.orchestration.worker.pack_config import TRAINER, RunSettings
from dfa_tune.orchestration.worker.versions import versions
from dfa_tune.planning import notebook
from dfa_tune.planning.state import JUDGED, Count, SweepState
from dfa_tune.planning.sweep import Sweep, load_sweep, plugins_json
from dfa_tune.planning.sweep_results import load_sweep_results
from dfa_tune.problems.datasets import data_folder
from dfa_tune.problems.download import ensure
from dfa_tune.results import failures, maintenance
from dfa_tune.results.store import Store

if TYPE_CHECKING:
    from rich.console import Console

    from dfa_tune.orchestration.driver.progress import Progress


INTERRUPTED = (
    "Finished trials are kept, and the others resume from checkpoints at most half a minute old. To resume,"
    " call run_sweep again."
)


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    count: the sweep's trials by what became of them
    trained: trials that this run, or another one at the same time, has trained
    taken_over: trials copied from other spaces under the same results
    set_aside: names of damaged files of results, which were moved to `damaged/`
    failures: packs of trials that could not be trained, and why
    """

    count: Count
    trained: int
    taken_over: int
    set_aside: list[str] = field(default_factory=list)
    failures: list[FailedPack] = field(default_factory=list)

    @property
    def failed(self) -> dict[str, str]:
        """Why each trial failed that could not be trained, by trial id."""
        return {trial.id: failure.cause for failure in self.failures for trial in failure.pack.trials}

    @property
    def failed_methods(self) -> Counter[tuple[str, str]]:
        """How many trials failed, by the name of their method and the cause."""
        return Counter((trial.method.name, one.cause) for one in self.failures for trial in one.pack.trials)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        done, planned = self.count.done, self.count.planned
        counts = (
            f"{done} of {planned} trials are done: {self.trained} trained now, {self.taken_over} taken over"
        )
        rows = [(name, cause, trials) for (name, cause), trials in self.failed_methods.items()]
        return notebook.table(counts, ["failed", "why", "trials"] if rows else [], rows)


def run_sweep(
    space: str | Path | Sweep,
    results: str | Path = "results",
    *,
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    methods: Sequence[str] = (),
    resources: Resources | None = None,
    console: Console | None = None,
) -> Outcome:
    """Train what is not done of `space` and publish it under `results`.

    It may be stopped at any time and called again. If nothing is left to do, it starts neither Ray nor torch.

    space: a bundled space's name, the path of a YAML file, or a Sweep
    results: a folder or an fsspec URI
    data: the folder of the data sets; default: DFA_TUNE_DATA, else the user's cache
    overrides, methods: change the space as `--set` ("training.epochs=2") and `--method` do
    resources: what each pack is given, and the cluster to train on; default: this machine
    console: where progress is shown; default: below the cell of a notebook, otherwise nowhere

    Raises UserError, before anything starts, if the space, its data or the results' folder are not usable.
    KeyboardInterrupt, from Ctrl-C or a notebook's stop button, leaves finished trials and checkpoints behind,
    from which the next call resumes.
    """
    if console is None:
        console = notebook_console()
    try:
        return _run_sweep(
            space,
            results,
            data=data,
            overrides=overrides,
            methods=methods,
            resources=resources,
            console=console,
        )
    except KeyboardInterrupt:
        # Without the twenty frames of Ray and Tune that it came through
        raise KeyboardInterrupt(INTERRUPTED) from None


def _run_sweep(
    space: str | Path | Sweep,
    results: str | Path,
    *,
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    methods: Sequence[str] = (),
    resources: Resources | None = None,
    console: Console | None = None,
    trainer: str = TRAINER,
    meanwhile: Callable[[], object] | None = None,
    begin: Callable[[SweepState], object] | None = None,
) -> Outcome:
    """As `run_sweep`, for the command line, tests and benchmarks.

    trainer: see `RunSettings`; orchestration is measured and tested with one that trains nothing
    meanwhile: called in a thread of its own while Ray starts, if there is anything to train
    begin: called with what is done and what is left before anything starts, if there is anything to train
    """
    sweep = space
    if not isinstance(sweep, Sweep):
        sweep = load_sweep(sweep, overrides=overrides, methods=methods, results=results)
    store = Store(results if "://" in str(results) else Path(results).absolute(), sweep.name)
    judge = None
    if sweep.repetitions.until is not None:  # SciPy takes a moment
        from dfa_tune.orchestration.driver.repeating import judge_of

        judge = judge_of(sweep, store.location, data)
    for dataset in sweep.datasets:
        ensure(dataset, data)
    store.check_writable()
    set_aside = maintenance.set_aside(store)
    maintenance.drop_copies(store)
    maintenance.compact_if_many(store)
    failures.clear(store)
    known = store.names()  # before they are read: files that come meanwhile are read again
    found = load_sweep_results(
        sweep, store.location, data=data, scores_only=True, more=JUDGED if judge else ()
    )
    rows = found.rows
    if sweep.save_weights:  # damaged weights are made again
        rows = rows[~rows["trial_id"].isin(store.damaged_weights())]
    state = SweepState(found.plan, store, rows, known, judge=judge)
    state.take_over()
    state.publish_stopped()  # a run that was killed may not have come to it
    before, at_first, resources = state.count(), state.taken_over, resources or Resources()
    failed: list[FailedPack] = []
    if before.remaining:
        if begin is not None:
            begin(state)
        settings = RunSettings(
            results=str(store.location),
            name=sweep.name,
            owner=uuid.uuid4().hex,
            space=sweep.text,
            data=str(data_folder(data).absolute()) if sweep.datasets else None,
            threads=resources.cpus_per_pack,
            save_weights=sweep.save_weights,
            trainer=trainer,
            versions=versions(),
            cluster=resources.address is not None,
        )
        failed = _train(state, settings, resources, console, meanwhile)
        with suppress(UserError):  # the rows are there; merging their files can wait for another run
            state.publish_stopped()
            Checkpoints(store).clear(state.done)  # of packs whose members were all stopped
            maintenance.compact_if_many(store)
            state.clear_rungs()
    count = state.stored() if before.remaining else before
    trained = count.done - before.done - (state.taken_over - at_first)
    return Outcome(count, max(0, trained), state.taken_over, set_aside, failed)


def _train(
    state: SweepState,
    settings: RunSettings,
    resources: Resources,
    console: Console | None,
    meanwhile: Callable[[], object] | None,
) -> list[FailedPack]:
    """One `Tuner.fit()` over all that is left; returns what failed."""
    from rich.console import Console

    from dfa_tune.orchestration.cluster.session import Session
    from dfa_tune.orchestration.driver.progress import Progress

    use_gpus = _devices(state) != {"cpu"} and resources.gpus_per_pack != 0
    with (
        Session(resources.address, use_gpus=use_gpus) as session,
        Progress(console or Console(quiet=True), settings.name) as progress,
    ):
        # While Ray's processes start. No daemon: torn down in the midst of an import, it could crash a
        # process that exits
        threading.Thread(target=_import_ahead, args=(meanwhile,)).start()
        return _fit(state, settings, resources, session.start(), progress)


def _import_ahead(meanwhile: Callable[[], object] | None) -> None:
    """Import Tune, and call `meanwhile`."""
    import ray.tune  # noqa: F401

    if meanwhile is not None:
        meanwhile()


def _devices(state: SweepState) -> set[str]:
    return {point.training.device for point in state.plan.sweep.points}


def _fit(
    state: SweepState, settings: RunSettings, resources: Resources, machines: Machines, progress: Progress
) -> list[FailedPack]:
    from ray import tune

    from dfa_tune.orchestration.driver.scheduler import PackScheduler
    from dfa_tune.orchestration.driver.searcher import TuneThenRepeat
    from dfa_tune.orchestration.driver.tune_callback import Forward
    from dfa_tune.orchestration.worker.trainable import PackTrainable
    from dfa_tune.results.leases import Leases

    # Tune lets a searcher have one trial pending; ours knows how many packs should wait for a worker
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = "1000000"
    devices, leases = _devices(state), Leases(state.store, settings.owner)
    slots = find_slots(machines, resources, devices)
    searcher = TuneThenRepeat(state, leases, settings, size=resources.pack, slots=slots)
    progress.watch(searcher)

    def machines_changed(machines: Machines) -> None:
        with suppress(UserError):  # what packs want is not there just now: they wait
            searcher.place_on(find_slots(machines, resources, devices))

    scratch = tempfile.mkdtemp(prefix="dfa_tune-")  # for Tune's own files; ours are in the store
    try:
        watch = _watch(state, settings, resources, machines_changed, progress)
        with watch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuner = tune.Tuner(
                _with_plugins(PackTrainable, plugins_json(state.plan.sweep)),
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    scheduler=PackScheduler(searcher),
                    num_samples=-1,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    name=settings.name,
                    storage_path=scratch,
                    verbose=0,
                    callbacks=[Forward(progress)],
                    failure_config=tune.FailureConfig(max_failures=0),  # the searcher retries
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                ),
            )
            tuner.fit()
    finally:
        with suppress(UserError):  # a lease that cannot be given back expires
            for running in searcher.running.values():
                leases.release(running.pack.id)
        shutil.rmtree(scratch, ignore_errors=True)
    for failure in searcher.failures:
        ids = [trial.id for trial in failure.pack.trials]
        failures.record(state.store, failure.pack.id, ids, failure.cause, failure.traceback)
    return searcher.failures


def _with_plugins(trainable: Any, plugins: dict[str, Any]) -> Any:
    """The trainable, whose workers are given the sources of these plugins once, and not with each pack."""
    from ray import tune

    return tune.with_parameters(trainable, plugins=plugins) if plugins else trainable


def _watch(
    state: SweepState,
    settings: RunSettings,
    resources: Resources,
    machines_changed: Callable[[Machines], None],
    progress: Progress,
) -> AbstractContextManager[Any]:
    """On a cluster, a watch over its machines; raises UserError if one of them may not train."""
    if resources.address is None:
        return nullcontext()
    from dfa_tune.orchestration.cluster.nodes import Expected, Nodes

    sweep = state.plan.sweep
    expected = Expected.here(state.store, settings.data, sweep.datasets, settings.owner, plugins_json(sweep))
    return Nodes(expected, state.store, changed=machines_changed, tell=progress.say)

"""Running a sweep: whatever is not done yet, on this machine or a cluster."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfa_tune.analysis.load import load
from dfa_tune.errors import UserError
from dfa_tune.orchestration.ledger import Count, Ledger
from dfa_tune.orchestration.memory import gpu_memory
from dfa_tune.orchestration.packs import PackSize
from dfa_tune.orchestration.versions import versions
from dfa_tune.problems.datasets import data_folder
from dfa_tune.problems.download import ensure
from dfa_tune.results import failures
from dfa_tune.results.store import Store
from dfa_tune.sweep import Sweep, load_sweep

if TYPE_CHECKING:
    from rich.console import Console

TRAINER = "dfa_tune.orchestration.work:start_training"


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a pack is given, and where.

    `gpus_per_pack` None: a whole GPU where there are some and the space's device allows, else none. On a
    cluster, `max_concurrent` packs are asked for even where it has not so much yet: it may grow on demand.
    """

    address: str | None = None  # of a Ray cluster; None: a local Ray of our own
    pack: PackSize = "auto"
    cpus_per_pack: int = 1
    gpus_per_pack: float | None = None
    max_concurrent: int | None = None


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
    sweep = space if isinstance(space, Sweep) else load_sweep(space, overrides=overrides, methods=methods)
    for dataset in sweep.datasets:
        ensure(dataset, data)
    store = Store(results if "://" in str(results) else Path(results).absolute(), sweep.name)
    store.check_writable()
    set_aside = store.set_aside()
    store.drop_copies()
    failures.clear(store)
    agenda, rows = load(sweep, store.location, data=data)
    ledger = Ledger(agenda, store, rows)
    taken_over = ledger.take_over()
    before = ledger.count()
    failed: dict[str, str] = {}
    if before.remaining:
        if meanwhile is not None:
            threading.Thread(target=meanwhile, daemon=True).start()
        failed = _train(sweep, ledger, data, resources or Resources(), console, trainer)
    count = ledger.count()
    return Outcome(count, count.done - before.done, taken_over, set_aside, failed)


def _train(
    sweep: Sweep,
    ledger: Ledger,
    data: str | Path | None,
    resources: Resources,
    console: Console | None,
    trainer: str,
) -> dict[str, str]:
    """One `Tuner.fit()` over all that is left; returns what failed."""
    from rich.console import Console

    from dfa_tune.orchestration.session import Session

    devices = {point.training.device for point in sweep.points}
    use_gpus = devices != {"cpu"} and resources.gpus_per_pack != 0
    with Session(resources.address, use_gpus=use_gpus) as session:
        from dfa_tune.orchestration.progress import Progress

        with Progress(console or Console(quiet=True), sweep.name) as progress:
            return _fit(sweep, ledger, data, resources, session.start(), use_gpus, progress, trainer)


def _fit(
    sweep: Sweep,
    ledger: Ledger,
    data: str | Path | None,
    resources: Resources,
    available: dict[str, float],
    use_gpus: bool,
    progress: Any,
    trainer: str,
) -> dict[str, str]:
    from ray import tune

    from dfa_tune.orchestration.searcher import Causes, TuneThenRepeat
    from dfa_tune.orchestration.trainable import PackTrainable
    from dfa_tune.results.leases import Leases

    share = _share(sweep, resources, available, use_gpus)
    slots = _slots(share, resources, available)
    leases = Leases(ledger.store, uuid.uuid4().hex)
    constant = {
        "results": str(ledger.store.location),
        "name": sweep.name,
        "data": str(data_folder(data).absolute()) if sweep.datasets else None,
        "threads": resources.cpus_per_pack,
        "owner": leases.owner,
        "space": sweep.text,
        "save_weights": sweep.save_weights,
        "trainer": trainer,
        "versions": versions() if resources.address else None,
    }
    gpu = share.get("GPU", 0) > 0
    # Tune lets a searcher have one trial pending: short packs would then all go to the first worker, each
    # before a second worker has started
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots + 1)
    memory = _memory(share, slots, available) if gpu or resources.address else None
    searcher = TuneThenRepeat(
        ledger, leases, constant, size=resources.pack, slots=slots, gpu=gpu, memory=memory
    )
    progress.watch(searcher)

    def follow(available: Mapping[str, float]) -> None:
        searcher.slots = _slots(share, resources, available)

    scratch = tempfile.mkdtemp(prefix="dfa_tune-")  # Tune's own notes; ours are in the store
    try:
        with _watched(ledger, constant, sweep, resources, follow, progress), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuner = tune.Tuner(
                tune.with_resources(PackTrainable, share),
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    num_samples=-1,
                    max_concurrent_trials=resources.max_concurrent,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    name=sweep.name,
                    storage_path=scratch,
                    verbose=0,
                    callbacks=[progress, said := Causes()],
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
        pack: searcher.causes.get(pack.id) or said.causes.get(trial, "its worker died")
        for trial, pack in searcher.failed.items()
    }
    for pack, cause in failed.items():
        failures.record(ledger.store, pack.id, [trial.id for trial in pack.trials], cause)
    return {trial.id: cause for pack, cause in failed.items() for trial in pack.trials}


def _watched(
    ledger: Ledger,
    constant: dict[str, Any],
    sweep: Sweep,
    resources: Resources,
    follow: Callable[[Mapping[str, float]], None],
    progress: Any,
) -> AbstractContextManager[Any]:
    """On a cluster, a watch over its machines; raises UserError where one may not train."""
    if resources.address is None:
        return nullcontext()
    from dfa_tune.orchestration.nodes import Expected, Nodes

    expected = Expected.here(ledger.store, constant["data"], sweep.datasets, constant["owner"])
    return Nodes(expected, ledger.store, changed=follow, tell=progress.say)


def _share(
    sweep: Sweep, resources: Resources, available: dict[str, float], use_gpus: bool
) -> dict[str, float]:
    """What each pack reserves; UserError where that is more than there is, or can come to be there."""
    cpus, gpus = available.get("CPU", 0), available.get("GPU", 0) if use_gpus else 0
    wanted = resources.gpus_per_pack if resources.gpus_per_pack is not None else (1.0 if gpus else 0.0)
    share = {"CPU": float(resources.cpus_per_pack)} | ({"GPU": wanted} if wanted else {})
    if resources.address and resources.max_concurrent:
        return share
    if any(point.training.device == "cuda" for point in sweep.points) and not gpus:
        raise UserError("training.device is 'cuda', but Ray offers no GPU; valid here: auto, cpu")
    if resources.cpus_per_pack > cpus:
        raise UserError(f"--cpus-per-pack {resources.cpus_per_pack}: Ray offers {cpus:g} CPUs")
    if wanted > gpus:
        raise UserError(f"--gpus-per-pack {wanted:g}: Ray offers {gpus:g} GPUs")
    return share


def _memory(share: Mapping[str, float], slots: int, available: Mapping[str, float]) -> float:
    """Free bytes for all packs at once; what a cluster will grow by is taken to be like what it has."""
    if "GPU" in share:
        return gpu_memory(slots * share["GPU"])
    return available["memory"] * max(1.0, slots * share["CPU"] / available["CPU"])


def _slots(share: Mapping[str, float], resources: Resources, available: Mapping[str, float]) -> int:
    """How many packs run at once."""
    if resources.address and resources.max_concurrent:
        return resources.max_concurrent
    slots = int(min(available.get(name, 0) / each for name, each in share.items()))
    return max(1, min(slots, resources.max_concurrent or slots))

"""Subcommands that say what a sweep will train, and how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfa_tune.cli.app import app
from dfa_tune.cli.console import duration, say
from dfa_tune.cli.decided import say_claims
from dfa_tune.cli.options import Cpus, Data, Methods, Pack, Plugins, Results, Set, Space, pack_size, sweep_of

if TYPE_CHECKING:
    from dfa_tune.orchestration.packs.pack import Pack as TrialPack
    from dfa_tune.planning.state import SweepState
    from dfa_tune.planning.sweep import Sweep
    from dfa_tune.planning.sweep_results import SweepResults


@app.command(rich_help_panel="Sweeps", epilog="Example: dfa-tune plan fig_3_4 --nodes 4")
def plan(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    plugin: Plugins = None,
    method: Methods = None,
    pack: Pack = "auto",
    cpus_per_pack: Cpus = 1,
    nodes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Machines, each with as many cores as this one.")
    ] = 1,
    gpus: Annotated[int, typer.Option(metavar="N", min=0, help="GPUs in all, with one pack on each.")] = 0,
    price: Annotated[
        float | None,
        typer.Option(metavar="X", min=0, help="What a machine costs in an hour, in any currency."),
    ] = None,
) -> None:
    """Show the trials of a sweep, what is done, and the time the rest will take; start nothing."""
    from dfa_tune.orchestration.cluster.session import available_cpus
    from dfa_tune.orchestration.packs.memory import available_memory, gpu_memory
    from dfa_tune.orchestration.packs.pack_size import SizeLimits, make_packs
    from dfa_tune.orchestration.packs.time_estimate import estimate
    from dfa_tune.planning.sweep_results import load_sweep_results

    size = pack_size(pack)
    sweep = sweep_of(space, set_, method, results)
    found = load_sweep_results(sweep, results, data=data)
    state = _state_of(found, results, data)
    elsewhere = state.foresee()
    count, ready = state.count(), state.ready()
    slots = gpus or nodes * max(1, available_cpus() // cpus_per_pack)
    unseen = count.remaining - len(ready)
    guess = estimate(ready, unseen, found.rows, device="cuda" if gpus else "cpu")
    say(f"{sweep.name}: {sweep.title}")
    say(f"  methods     {', '.join(dict.fromkeys(m.name for m in sweep.methods))}")
    if sweep.axes:
        say(f"  axes        {', '.join(sweep.axes)}")
    if found.plan.tunings:
        say(f"  tuning      {_tuning_text(sweep)}")
        for line in _search_text(sweep):
            say(f"              {line}")
    done = f"{count.done} done" + (f" ({elsewhere} of them in other spaces here)" if elsewhere else "")
    most = f"{count.planned} to {state.most}" if state.most > count.planned else f"{count.planned}"
    least = "at least " if state.most > count.planned else ""
    say(f"  trials      {most} planned, {done}, {least}{count.remaining} remaining")
    if state.needed is not None:
        say(f"  until       {state.needed.said}")
    later = f", and {unseen} trials once learning rates are chosen" if unseen else ""
    memory = gpu_memory(gpus) if gpus else float(nodes * available_memory())
    packs = make_packs(ready, SizeLimits(size=size, slots=slots, gpu=gpus > 0, memory=memory))
    say(f"  packs       {len(packs)} ready, {slots} at once{later}")
    if packs:
        say(f"  memory      {_memory_text(packs, -(-slots // nodes))}")
    if not count.remaining:
        say("  time        none: everything is done")
    elif guess is None:
        say("  time        unknown: no trial of this space has run on a GPU yet; run a few there first")
    else:
        how = "measured on this space's finished trials" if guess.measured else "a rough estimate"
        seconds = guess.wall(slots, count.remaining)
        where = f"{gpus} GPUs" if gpus else f"{slots * cpus_per_pack} cores"
        say(f"  time        about {duration(seconds)} on {where} ({how})")
        if nodes > 1 or gpus or price is not None:
            hours = nodes * seconds / 3600
            cost = f": {hours * price:.2f} at {price:g} an hour" if price is not None else ""
            say(f"  cost        {hours:.2f} machine hours{cost}")
    say_other_settings(state)
    say_same_methods(sweep)


def _tuning_text(sweep: Sweep) -> str:
    """What learning rates are chosen by: "test_accuracy, mean of the last 10 of 20 epochs and of 3 seeds"."""
    tested = sorted({p.rows for point in sweep.points for p in point.both})
    every = any(point.training.evaluate_every > 1 for point in sweep.points)
    epochs = "tested epochs" if every else "epochs"
    window, rows = sweep.tuning.window or 0, " or ".join(map(str, tested))
    seeds = f" and of {sweep.tuning.seeds} seeds" if sweep.tuning.seeds > 1 else ""
    if len(tested) == 1 and window == tested[0]:
        return f"{sweep.tuning.metric}, mean of all {rows} {epochs}{seeds}"
    fewer = ", or of all where there are fewer" if window > tested[0] else ""
    return f"{sweep.tuning.metric}, mean of the last {window} of {rows} {epochs}{seeds}{fewer}"


def _search_text(sweep: Sweep) -> list[str]:
    """What else is chosen, how settings are drawn, and when trials are stopped; a line for each."""
    tuning, lines = sweep.tuning, []
    if sweep.further:
        lines.append(f"learning_rate together with {', '.join(sweep.further)}")
    if tuning.sampler != "grid":
        how = "drawn at random" if tuning.sampler == "random" else "suggested by TPE"
        lines.append(f"{tuning.trials} settings for each method, {how}")
    if tuning.stop is not None:
        epochs = " and ".join(map(str, tuning.stop.after))
        lines.append(f"after epoch {epochs} the best of the settings go on, a share of {tuning.stop.keep:g}")
    return lines


def _memory_text(packs: list[TrialPack], workers: int) -> str:
    """What a worker needs, and whether `workers` of them are too much for this machine."""
    from dfa_tune.orchestration.packs.memory import WORKER_BYTES, available_memory, epoch_bytes, pack_bytes

    most = WORKER_BYTES + max(
        pack_bytes(pack.trials) + len({trial.seed for trial in pack.trials}) * epoch_bytes(pack.trials[0])
        for pack in packs
    )
    text, free = f"about {most / 2**30:,.1f} GiB for each worker", available_memory()
    at_once = min(workers, len(packs))
    if at_once * most <= free:
        return text
    return (
        f"{text}; {at_once} of them at once are too much for the {free / 2**30:,.1f} GiB that are free here"
    )


@app.command(rich_help_panel="Sweeps", epilog="Example: dfa-tune status quickstart")
def status(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    plugin: Plugins = None,
    method: Methods = None,
) -> None:
    """Count the trials that are done, running, failed and remaining, during a run too."""
    from dfa_tune.planning.state import JUDGED
    from dfa_tune.planning.sweep_results import load_sweep_results
    from dfa_tune.results.failures import failures
    from dfa_tune.results.leases import Leases

    sweep = sweep_of(space, set_, method, results)
    found = load_sweep_results(sweep, results, data=data, scores_only=True, more=JUDGED)
    state = _state_of(found, results, data)
    store = state.store
    count, ready = state.count(), {trial.id: trial for trial in state.ready()}
    due = {trial.id: trial for trial in found.plan.due(state.scores) if not state.done(trial.id)}
    left = due | ready
    running = left.keys() & {t for lease in Leases(store).active().values() for t in lease.trial_ids}
    failed = {trial: f.cause for trial, f in failures(store).items() if trial in left.keys() - running}
    # A run may have been asked for more repetitions than the space itself wants
    more = len((running | failed.keys()) - ready.keys())
    stopped = f" ({len(state.stopped)} of them stopped early)" if state.stopped else ""
    least = "at least " if state.most > count.planned else ""
    say(
        f"{sweep.name}: {count.planned + more} trials: {count.done} done{stopped}, {len(running)} running,"
        f" {len(failed)} failed, {least}{count.remaining + more - len(running) - len(failed)} remaining"
    )
    say_other_settings(state)
    say_claims(found, results, data)
    for trial_id, cause in failed.items():
        trial = left[trial_id]
        say(f"failed: {trial_id} ({trial.method.name}, rate {trial.learning_rate:g}): {cause}")


def _state_of(found: SweepResults, results: str, data: Path | None) -> SweepState:
    from dfa_tune.orchestration.driver.repeating import judge_of
    from dfa_tune.planning.state import SweepState
    from dfa_tune.results.store import Store

    judge = judge_of(found.sweep, results, data)
    return SweepState(found.plan, Store(results, found.sweep.name), found.rows, judge=judge)


def say_other_settings(state: SweepState) -> None:
    """Say how many trials lie here that other options than these would count."""
    if others := state.other_settings():
        say(f"note: {others} trials of other settings are in this folder too; they are not counted here")


def say_same_methods(sweep: Sweep) -> None:
    """Say which methods train the same network twice."""
    from dfa_tune.planning.sweep import same_methods

    for dfa, fa in same_methods(sweep):
        say(f"note: with one hidden layer {fa.name} is the same as {dfa.name}; both are trained")

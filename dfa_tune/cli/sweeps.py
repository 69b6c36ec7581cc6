"""Subcommands that plan, run and watch a sweep, and check the machine for it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfa_tune.cli.app import app
from dfa_tune.cli.console import duration, say
from dfa_tune.cli.decided import say_claims
from dfa_tune.cli.options import (
    Concurrent,
    Cpus,
    Data,
    Gpus,
    MaxRepetitions,
    Methods,
    Pack,
    Plugins,
    Results,
    Set,
    Space,
    UntilDecided,
    pack_size,
    sweep_of,
    sweep_to_run,
)
from dfa_tune.cli.tables import print_table
from dfa_tune.errors import UserError, this_command

if TYPE_CHECKING:
    from dfa_tune.orchestration.packs.pack import Pack as TrialPack
    from dfa_tune.planning.state import SweepState
    from dfa_tune.planning.sweep import Sweep


@app.command("list", rich_help_panel="Sweeps", epilog="Example: dfa-tune list")
def list_spaces() -> None:
    """List the search spaces, one line each."""
    from dfa_tune.planning.sweep import load_sweep, space_names

    names = space_names()
    for name in names:
        say(f"{name:<{max(map(len, names))}}  {load_sweep(name).title}")


@app.command(rich_help_panel="Sweeps", epilog="Example: dfa-tune init depth")
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the new search space.")],
) -> None:
    """Write a commented search space to NAME.yaml, to begin with; it runs as it is."""
    from dfa_tune.config.json_schema import schema_path
    from dfa_tune.planning.sweep import parse_sweep

    template = (Path(__file__).parent / "space_template.yaml").read_text(encoding="utf-8")
    path, text = Path(f"{name}.yaml"), template.replace("NAME", name)
    text = f"# yaml-language-server: $schema={schema_path().as_posix()}\n{text}"
    parse_sweep(text, f"{name}.yaml")  # before the path is used: the name is that of a folder
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{path}: there already; choose another name") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    say(f"{path}\n  its trials   dfa-tune plan {path}\n  to run it    dfa-tune run {path}")


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
    from dfa_tune.orchestration.driver.repeating import judge_of
    from dfa_tune.orchestration.packs.pack_size import SizeLimits, make_packs
    from dfa_tune.orchestration.packs.time_estimate import estimate
    from dfa_tune.planning.state import SweepState
    from dfa_tune.planning.sweep_results import load_sweep_results
    from dfa_tune.results.store import Store

    size = pack_size(pack)
    sweep = sweep_of(space, set_, method, results)
    found = load_sweep_results(sweep, results, data=data)
    judge = judge_of(sweep, results, data)
    state = SweepState(found.plan, Store(results, sweep.name), found.rows, judge=judge)
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
    packs = make_packs(ready, SizeLimits(size=size, slots=slots, gpu=gpus > 0))
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
    _say_other_settings(state)
    _say_same_methods(sweep)


def _tuning_text(sweep: Sweep) -> str:
    """What learning rates are chosen by: "test_accuracy, mean of the last 10 of 20 epochs and of 3 seeds"."""
    tested = sorted({p.rows for point in sweep.points for p in (point, point.tuned_at or point)})
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


def _say_other_settings(state: SweepState) -> None:
    if others := state.other_settings():
        say(f"note: {others} trials of other settings are in this folder too; they are not counted here")


LONG = 600.0  # seconds: a run that will take longer says so before it starts


def _say_if_nothing_is_done(state: SweepState, space: str, slots: int | None) -> None:
    """Say what else is there before everything is trained, since an option may have been forgotten, and the
    time if it is long.

    slots: packs that run at once; None where that is not known here
    """
    if state.count().done:
        return
    _say_other_settings(state)
    if slots is not None and (seconds := _rough_seconds(state, slots)) > LONG:
        say(f"about {duration(seconds)} on CPUs, a rough estimate; more: dfa-tune plan {shlex.quote(space)}")


def _rough_seconds(state: SweepState, slots: int) -> float:
    """The time that a sweep will take of which nothing is done."""
    import pandas as pd

    from dfa_tune.orchestration.packs.time_estimate import estimate

    ready, remaining = state.ready(), state.count().remaining
    guess = estimate(ready, remaining - len(ready), pd.DataFrame({"device": []}))
    return 0.0 if guess is None else guess.wall(slots, remaining)


def _say_other_titles(sweep: Sweep, results: str) -> None:
    from dfa_tune.results.store import Store
    from dfa_tune.results.titles import other_titles

    store = Store(results, sweep.name)
    for title in other_titles(store, sweep.title):
        say(
            f"warning: {store.path()} has results of a space that is called {sweep.name} too: {title!r}."
            " If it is another space, stop and give one of them another name.",
            error=True,
        )


def _say_same_methods(sweep: Sweep) -> None:
    from dfa_tune.planning.sweep import same_methods

    for dfa, fa in same_methods(sweep):
        say(f"note: with one hidden layer {fa.name} is the same as {dfa.name}; both are trained")


@app.command(
    rich_help_panel="Sweeps",
    epilog="Example: dfa-tune run quickstart --set training.epochs=5 --method bp-sgd",
)
def run(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    plugin: Plugins = None,
    method: Methods = None,
    address: Annotated[
        str | None, typer.Option(metavar="auto|HOST:PORT", help="A Ray cluster; default: a local one.")
    ] = None,
    pack: Pack = "auto",
    cpus_per_pack: Cpus = 1,
    gpus_per_pack: Gpus = None,
    max_concurrent: Concurrent = None,
    until_decided: UntilDecided = False,
    max_repetitions: MaxRepetitions = None,
) -> None:
    """Run the trials that are not done. Stop it and run it again at any time."""
    from dfa_tune.orchestration.driver.runner import Resources, _run_sweep
    from dfa_tune.results.store import Store
    from dfa_tune.results.titles import remember

    sweep = sweep_to_run(space, set_, method, results, until_decided, max_repetitions)
    resources = Resources(
        address=address,
        pack=pack_size(pack),
        cpus_per_pack=cpus_per_pack,
        gpus_per_pack=gpus_per_pack,
        max_concurrent=max_concurrent,
    )
    from rich.console import Console

    from dfa_tune.orchestration.cluster.session import available_cpus

    slots = None if address is not None else max(1, available_cpus() // cpus_per_pack)
    if slots is not None and max_concurrent is not None:
        slots = min(slots, max_concurrent)
    _say_same_methods(sweep)
    _say_other_titles(sweep, results)
    try:
        outcome = _run_sweep(
            sweep,
            results,
            data=data,
            resources=resources,
            console=Console(),
            meanwhile=_import_for_results,
            begin=lambda state: _say_if_nothing_is_done(state, space, slots),
        )
    except KeyboardInterrupt:
        say(
            "\nInterrupted. Finished trials are kept; the others resume from checkpoints at most half"
            " a minute old. To resume:\n  " + this_command(),
            error=True,
        )
        remember(Store(results, sweep.name), sweep.title)
        raise typer.Exit(130) from None
    remember(Store(results, sweep.name), sweep.title)
    for name in outcome.set_aside:
        say(f"Damaged file moved to {sweep.name}/damaged: {name}")
    if outcome.taken_over:
        say(f"Taken over from other spaces: {outcome.taken_over} trials")
    if not outcome.trained and not outcome.failed:
        say(f"Nothing left to do: all {outcome.count.planned} trials of {sweep.name} are done.")
    _show_results(sweep, results, data, redraw=outcome.trained + outcome.taken_over > 0)
    say_claims(sweep, results, data, ended=True)
    if outcome.trained and outcome.trained == outcome.count.done == outcome.count.planned:
        _say_what_next(space, results)
    if outcome.failed or outcome.count.remaining:
        for (name, cause), trials in outcome.failed_methods.items():
            say(f"failed: {name}: {cause} ({trials} trials)", error=True)
        say(f"{outcome.count.remaining} trials remain; to retry:\n  {this_command()}", error=True)
        raise typer.Exit(1)


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
    from dfa_tune.orchestration.driver.repeating import judge_of
    from dfa_tune.planning.state import JUDGED, SweepState
    from dfa_tune.planning.sweep_results import load_sweep_results
    from dfa_tune.results.failures import failures
    from dfa_tune.results.leases import Leases
    from dfa_tune.results.store import Store

    sweep = sweep_of(space, set_, method, results)
    store = Store(results, sweep.name)
    found = load_sweep_results(sweep, results, data=data, scores_only=True, more=JUDGED)
    state = SweepState(found.plan, store, found.rows, judge=judge_of(sweep, results, data))
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
    _say_other_settings(state)
    say_claims(sweep, results, data)
    for trial_id, cause in failed.items():
        trial = left[trial_id]
        say(f"failed: {trial_id} ({trial.method.name}, rate {trial.learning_rate:g}): {cause}")


@app.command(rich_help_panel="Sweeps", epilog="Example: dfa-tune doctor --results /shared/results")
def doctor(results: Results = "results", data: Data = None) -> None:
    """Check what this machine offers: Ray, GPUs, data sets and storage."""
    from dfa_tune.cli.doctor import examine

    problems = 0
    for check in examine(results, data):
        problems += not check.good
        say(f"{'ok  ' if check.good else 'FAIL'}  {check.name:<10} {check.text}")
    raise typer.Exit(1 if problems else 0)


def _import_for_results() -> None:
    """Import what `_show_results` needs; it takes two seconds."""
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_svg  # noqa: F401

    import dfa_tune.analysis.figures
    import dfa_tune.analysis.tables  # noqa: F401


def _say_what_next(space: str, results: str) -> None:
    """Say, after a first run, what can be done with its results."""
    where = shlex.join([space, *(["--results", results] if results != "results" else [])])
    say(f"next     dfa-tune report {where}   all of it on one page, to sort and filter")
    say(f"         dfa-tune summary {where} --format latex   the table for a paper; csv and markdown too")


def _show_results(sweep: Sweep, results: str, data: Path | None, *, redraw: bool) -> None:
    """Print the summary table, and the paths of the figure and of the results."""
    from dfa_tune.analysis.tables import summary_table
    from dfa_tune.planning.sweep_results import load_sweep_results
    from dfa_tune.results.store import Store

    found = load_sweep_results(sweep, results, data=data)
    print_table(sweep.title, summary_table(found))
    store = Store(results, sweep.name)
    names = [f"{sweep.name}.{suffix}" for suffix in ("png", "svg")]
    figures = [store.path("figures", name) for name in names]
    if redraw or not set(names) <= set(store.folder("figures").files()):
        from dfa_tune.analysis import extras
        from dfa_tune.analysis.figures import write

        if extras.missing(found, store):
            say("figure   looking at the data and the weights that it shows; this can take minutes ...")
        figures = write(found, store, data)[:2]  # the figures of the learning rates follow
    for path in figures:
        say(f"figure   {path}")
    say(f"results  {store.path('epochs')}")

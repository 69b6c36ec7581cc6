"""The subcommand that trains, and what it says before and after."""

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
    sweep_to_run,
)
from dfa_tune.cli.plan import say_other_settings, say_same_methods
from dfa_tune.cli.results import say_if_extras_are_made
from dfa_tune.cli.tables import print_table
from dfa_tune.errors import this_command

if TYPE_CHECKING:
    from dfa_tune.planning.state import SweepState
    from dfa_tune.planning.sweep import Sweep
    from dfa_tune.planning.sweep_results import SweepResults


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
    from dfa_tune.planning.sweep_results import load_sweep_results
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
    say_same_methods(sweep)
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
    found = load_sweep_results(sweep, results, data=data)
    _show_results(found, results, data, redraw=outcome.trained + outcome.taken_over > 0)
    say_claims(found, results, data, ended=True)
    if outcome.trained and outcome.trained == outcome.count.done == outcome.count.planned:
        _say_what_next(space, results)
    if outcome.failed or outcome.count.remaining:
        for (name, cause), trials in outcome.failed_methods.items():
            say(f"failed: {name}: {cause} ({trials} trials)", error=True)
        say(f"{outcome.count.remaining} trials remain; to retry:\n  {this_command()}", error=True)
        raise typer.Exit(1)


LONG = 600.0  # seconds: a run that will take longer says so before it starts


def _say_if_nothing_is_done(state: SweepState, space: str, slots: int | None) -> None:
    """Say what else is there before everything is trained, since an option may have been forgotten, and the
    time if it is long.

    slots: packs that run at once; None where that is not known here
    """
    if state.count().done:
        return
    say_other_settings(state)
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


def _import_for_results() -> None:
    """Import what `_show_results` needs; it takes two seconds."""
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_svg  # noqa: F401

    import dfa_tune.analysis.figures
    import dfa_tune.analysis.tables  # noqa: F401


def _show_results(found: SweepResults, results: str, data: Path | None, *, redraw: bool) -> None:
    """Print the summary table, and the paths of the figure and of the results."""
    from dfa_tune.analysis.tables import summary_table
    from dfa_tune.results.store import Store

    sweep, store = found.sweep, Store(results, found.sweep.name)
    print_table(sweep.title, summary_table(found))
    names = [f"{sweep.name}.{suffix}" for suffix in ("png", "svg")]
    figures = [store.path("figures", name) for name in names]
    if redraw or not set(names) <= set(store.folder("figures").files()):
        from dfa_tune.analysis.figures import write

        say_if_extras_are_made(found, store)
        figures = write(found, store, data)[:2]  # the figures of the learning rates follow
    for path in figures:
        say(f"figure   {path}")
    say(f"results  {store.path('epochs')}")


def _say_what_next(space: str, results: str) -> None:
    """Say, after a first run, what can be done with its results."""
    where = shlex.join([space, *(["--results", results] if results != "results" else [])])
    say(f"next     dfa-tune report {where}   all of it on one page, to sort and filter")
    say(f"         dfa-tune summary {where} --format latex   the table for a paper; csv and markdown too")

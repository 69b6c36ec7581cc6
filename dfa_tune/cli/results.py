"""Subcommands that read results: learning rates, accuracies, figures, claims, a trial once more."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfa_tune.cli.app import app
from dfa_tune.cli.console import say
from dfa_tune.cli.options import (
    Data,
    Json,
    Methods,
    Plugins,
    Results,
    Set,
    Space,
    Spaces,
    TableFormat,
    sweep_of,
)
from dfa_tune.cli.tables import Format, print_as
from dfa_tune.errors import UserError

if TYPE_CHECKING:
    from dfa_tune.planning.sweep_results import SweepResults
    from dfa_tune.results.store import Store


@app.command(rich_help_panel="Results", epilog="Example: dfa-tune best quickstart --json")
def best(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    plugin: Plugins = None,
    method: Methods = None,
    format_: TableFormat = Format.table,
    json_: Json = False,
) -> None:
    """Show each method's chosen learning rate, and whether it is at the edge of its range."""
    from dfa_tune.analysis.tables import best_table
    from dfa_tune.planning.sweep_results import load_sweep_results

    sweep = sweep_of(space, set_, method, results)
    table = best_table(load_sweep_results(sweep, results, data=data))
    print_as(Format.json if json_ else format_, f"{sweep.name}: chosen learning rates", table)


@app.command(
    rich_help_panel="Results",
    epilog="Example: dfa-tune summary fig_3_4 --results docs/results --format latex",
)
def summary(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    plugin: Plugins = None,
    method: Methods = None,
    by_layer: Annotated[
        bool,
        typer.Option("--by-layer", help="Instead: each hidden layer's alignment at the last recorded epoch."),
    ] = False,
    format_: TableFormat = Format.table,
    json_: Json = False,
) -> None:
    """Show the final test accuracy of each method: n, mean and 95% interval."""
    from dfa_tune.planning.sweep_results import load_sweep_results

    sweep = sweep_of(space, set_, method, results)
    found, title = load_sweep_results(sweep, results, data=data), sweep.title
    if by_layer:
        from dfa_tune.analysis.by_layer import layers_table

        table, title = layers_table(found), f"{title}: alignment by hidden layer"
    else:
        from dfa_tune.analysis.tables import summary_table

        table = summary_table(found)
    print_as(Format.json if json_ else format_, title, table)


class FigureFormat(StrEnum):
    """The formats of a figure."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


@app.command(
    rich_help_panel="Results",
    epilog="Example: dfa-tune plot fig_2_1 --contrast bp-sgd ntk-adadelta",
)
def plot(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    plugin: Plugins = None,
    method: Methods = None,
    contrast: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--contrast", metavar="METHOD METHOD", help="Instead: the first one's accuracy minus the other's."
        ),
    ] = None,
    x: Annotated[
        str | None, typer.Option("--x", metavar="AXIS", help="The axis across; default: the longest one.")
    ] = None,
    panels: Annotated[
        str | None, typer.Option("--panels", metavar="AXIS", help="A panel for each value of this axis.")
    ] = None,
    rates_by: Annotated[
        str | None,
        typer.Option("--rates-by", metavar="AXIS", help="Instead: the chosen learning rates by this axis."),
    ] = None,
    format_: Annotated[
        list[FigureFormat] | None,
        typer.Option("--format", metavar="FORMAT", help="png, svg or pdf. Repeatable; default: png and svg."),
    ] = None,
    width: Annotated[
        float,
        typer.Option(
            "--width", metavar="INCHES", min=1, max=20, help="Of --contrast and --rates-by: a paper's column."
        ),
    ] = 3.25,
) -> None:
    """Draw the figure and the learning rates that were tried; or a contrast of methods for a paper."""
    from dfa_tune.analysis.figures import FORMATS, save, write
    from dfa_tune.planning.sweep_results import load_sweep_results
    from dfa_tune.results.store import Store

    sweep = sweep_of(space, set_, method, results)
    found = load_sweep_results(sweep, results, data=data)
    if found.rows.empty:
        raise UserError(f"{sweep.name}: no results in {results} yet; run: dfa-tune run {space}")
    store, formats = Store(results, sweep.name), [one.value for one in format_ or ()] or FORMATS
    if contrast is None and x is not None:
        raise UserError(f"--x {x}: what is across is chosen for --contrast METHOD METHOD; add that")
    if contrast is None and rates_by is None:
        if panels is not None:
            raise UserError(f"--panels {panels}: belongs to --contrast or --rates-by; add one of them")
        say_if_extras_are_made(found, store)
        for path in write(found, store, data, formats):
            say(path)
        return
    from dfa_tune.analysis import contrast as contrasts
    from dfa_tune.analysis import rates_by as chosen

    drawn = []
    if contrast is not None:
        drawn.append(contrasts.figure(found, contrast, x, panels, width))
    if rates_by is not None:
        drawn.append(chosen.figure(found, rates_by, panels, width))
    for figure, caption in drawn:
        for path in save(figure, store, formats=formats):
            say(path)
        say(f"caption: {caption}")


def say_if_extras_are_made(found: SweepResults, store: Store) -> None:
    """Say that a figure takes long, where it looks at data and weights that it has not seen yet."""
    from dfa_tune.analysis import extras

    if extras.missing(found, store):
        say("looking at the data and weights that the figure shows; this can take minutes ...", error=True)


@app.command(rich_help_panel="Results", epilog="Example: dfa-tune verify fig_3_4 --results docs/results")
def verify(
    spaces: Spaces = None,
    claims: Annotated[
        Path | None,
        typer.Option(help="A YAML file of claims to judge instead of the thesis'.", metavar="FILE"),
    ] = None,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    plugin: Plugins = None,
    format_: TableFormat = Format.table,
    json_: Json = False,
) -> None:
    """Judge claims by the results: the thesis' 46, or those of the spaces that are named, or of a file."""
    from dfa_tune.analysis.verify import verify

    judged = verify(results, spaces=spaces or (), data=data, overrides=set_ or (), claims=claims)
    if format_ is Format.table and not json_:
        from dfa_tune.cli.claims_table import print_claims

        print_claims(judged)
    else:
        rows = [one.row() for one in judged]
        print_as(Format.json if json_ else format_, "Claims", rows)


@app.command(rich_help_panel="Results", epilog="Example: dfa-tune compact quickstart")
def compact(space: Space, results: Results = "results", plugin: Plugins = None) -> None:
    """Merge the many Parquet files of a finished sweep into a few."""
    from dfa_tune.results import maintenance
    from dfa_tune.results.store import Store

    sweep = sweep_of(space, None, None, results)
    removed = maintenance.compact(Store(results, sweep.name))
    say(f"{sweep.name}: {removed} fewer files")


@app.command(rich_help_panel="Results", epilog="Example: dfa-tune check --results /shared/results")
def check(
    space: Annotated[
        str | None, typer.Argument(metavar="SPACE", help="A name or a YAML file; default: all results.")
    ] = None,
    results: Results = "results",
    plugin: Plugins = None,
) -> None:
    """Read all results, and say what is damaged, foreign, there twice or of older numerics; move nothing."""
    from dfa_tune.planning.trial import NUMERICS_VERSION
    from dfa_tune.results.check import KINDS, check, sweep_names
    from dfa_tune.results.store import Store

    names = sweep_names(results) if space is None else [sweep_of(space, None, None, results).name]
    kinds: set[str] = set()
    for name in names:
        store = Store(results, name)
        findings = check(store, NUMERICS_VERSION)
        say(f"{name}: {len(store.done())} complete trials, {len(findings) or 'no'} findings")
        for finding in findings:
            kinds.add(finding.kind)
            say(f"  {finding.kind:<10}  {finding.path}: {finding.message}")
    if not names:
        say(f"no results in {results}")
    for kind in KINDS:
        if kind in kinds:
            say(f"{kind}: {KINDS[kind]}")
    raise typer.Exit(1 if kinds else 0)


@app.command("repeat", hidden=True)  # its name in version 0.1
@app.command(rich_help_panel="Results", epilog="Example: dfa-tune reproduce 0a1b2c3d4e5f6a7b")
def reproduce(
    trial_id: Annotated[str, typer.Argument(metavar="TRIAL_ID", help="A value of the column trial_id.")],
    results: Results = "results",
    data: Data = None,
    plugin: Plugins = None,
) -> None:
    """Run one recorded trial again, and compare every number with the record."""
    from dfa_tune.orchestration.reproduce import reproduce as run_again

    done = run_again(trial_id, results, data=data)
    trial, recorded = done.trial, done.recorded
    say(f"{trial_id}: {trial.method.name}, rate {trial.learning_rate:g}, seed {trial.seed}")
    say(f"  recorded   {recorded.metadata.get('end', '')} on {recorded.metadata.get('host', 'unknown')}")
    if done.difference is None:
        say(f"  identical  all {done.rows} rows, bit for bit")
    else:
        first = done.difference
        say(
            f"  differs    first at epoch {first.epoch}, {first.metric}:"
            f" {first.recorded} then, {first.now} now"
        )
        say(f"             {first.metric} by at most {first.largest:g}")
    for name, (then, now) in done.environment.items():
        say(f"  {name:<14} {then} then, {now} now")
    if done.difference is not None:
        if not done.environment:
            say("  nothing on record about the environment differs")
        raise typer.Exit(1)

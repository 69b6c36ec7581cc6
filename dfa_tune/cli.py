"""The `dfa-tune` command: parse, call, print. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dfa_tune.errors import UserError

if TYPE_CHECKING:
    from dfa_tune.sweep import Sweep


class _Commands(TyperGroup):
    """Turns a UserError into its message and exit code 2, whichever command raised it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            typer.echo(f"dfa-tune: {error}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    name="dfa-tune",
    cls=_Commands,
    help="Backpropagation against direct feedback alignment: tune, repeat and plot sweeps with Ray Tune.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Space = Annotated[str, typer.Argument(help="A name that `dfa-tune list` shows, or the path of a YAML file.")]
Spaces = Annotated[
    list[str] | None, typer.Argument(metavar="[SPACE]...", help="Names or YAML files; default all.")
]
Results = Annotated[str, typer.Option(help="Folder or URI of the results.", metavar="DIR|URI")]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of torchvision's files; default DFA_TUNE_DATA, or the user's cache."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a field, e.g. training.epochs=2. Repeatable."),
]
Methods = Annotated[
    list[str] | None, typer.Option("--method", metavar="NAME", help="Keep only this method. Repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

HEADINGS = {"learning_rate": "rate", "at_edge": "at edge", "mean": "mean accuracy"}


def main() -> None:
    """The console script's entry."""
    # What a scheduler sends before it takes a machine away: then end as after Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()


def _sweep(space: str, overrides: list[str] | None, methods: list[str] | None) -> Sweep:
    from dfa_tune.sweep import load_sweep

    return load_sweep(space, overrides=overrides or (), methods=methods or ())


def _retry_command() -> str:
    return "dfa-tune " + " ".join(_quoted(argument) for argument in sys.argv[1:])


def _quoted(argument: str) -> str:
    import shlex

    return shlex.quote(argument)


@app.command("list")
def list_spaces() -> None:
    """The search spaces, one line each."""
    from dfa_tune.sweep import load_sweep, space_names

    names = space_names()
    for name in names:
        typer.echo(f"{name:<{max(map(len, names))}}  {load_sweep(name).title}")


def _pack_size(value: str) -> int | str:
    if value == "auto":
        return value
    if value.isdecimal() and int(value) >= 1:
        return int(value)
    raise UserError(f"--pack {value}; valid: auto, or a number of trials from 1")


Pack = Annotated[str, typer.Option(metavar="auto|N", help="Trials that one worker trains together.")]
Cpus = Annotated[int, typer.Option(min=1, help="Cores, and threads, of a pack.")]
Gpus = Annotated[
    float | None, typer.Option(min=0, help="GPUs of a pack, fractions too; 0 leaves the GPUs alone.")
]

Concurrent = Annotated[
    int | None,
    typer.Option(min=1, help="Packs at once, at most; with --address, what a cluster may grow to."),
]


@app.command()
def plan(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    method: Methods = None,
    pack: Pack = "auto",
    cpus_per_pack: Cpus = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines, each with the cores of this one.")] = 1,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of all machines, a pack on each.")] = 0,
    price: Annotated[
        float | None, typer.Option(min=0, help="Of a machine for an hour, in any currency.")
    ] = None,
) -> None:
    """Trials, packs, what is done already, an estimate of the time; starts nothing."""
    from dfa_tune.analysis.load import load
    from dfa_tune.orchestration.estimate import estimate
    from dfa_tune.orchestration.ledger import Ledger
    from dfa_tune.orchestration.packs import make_packs
    from dfa_tune.orchestration.progress_text import clock
    from dfa_tune.orchestration.session import available_cpus
    from dfa_tune.results.store import Store

    size: Any = _pack_size(pack)
    sweep = _sweep(space, set_, method)
    agenda, rows = load(sweep, results, data=data)
    ledger = Ledger(agenda, Store(results, sweep.name), rows)
    count, ready = ledger.count(), ledger.ready()
    slots = gpus or nodes * max(1, available_cpus() // cpus_per_pack)
    unseen = count.remaining - len(ready)
    guess = estimate(ready, unseen, rows, device="cuda" if gpus else "cpu")
    typer.echo(f"{sweep.name}: {sweep.title}")
    typer.echo(f"  methods     {', '.join(dict.fromkeys(m.name for m in sweep.methods))}")
    if sweep.axes:
        typer.echo(f"  axes        {', '.join(sweep.axes)}")
    typer.echo(f"  trials      {count.planned} planned, {count.done} done, {count.remaining} remaining")
    later = f", and {unseen} trials when learning rates are chosen" if unseen else ""
    typer.echo(
        f"  packs       {len(make_packs(ready, size, slots, gpu=gpus > 0))} ready, {slots} at once{later}"
    )
    if guess is None:
        typer.echo(
            "  time        unknown: no trial of this space has been trained on a GPU yet; train a few there"
        )
        return
    how = "measured on this space's finished trials" if guess.measured else "rough, from the products' size"
    seconds = guess.wall(slots, count.remaining)
    where = f"{gpus} GPUs" if gpus else f"{slots * cpus_per_pack} cores"
    typer.echo(f"  time        about {clock(seconds)} on {where} ({how})")
    if nodes > 1 or gpus or price is not None:
        hours = nodes * seconds / 3600
        cost = f": {hours * price:.2f} at {price:g} an hour" if price is not None else ""
        typer.echo(f"  cost        {hours:.2f} hours of a machine{cost}")


@app.command()
def run(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    method: Methods = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster: auto or HOST:PORT; default a local one.")
    ] = None,
    pack: Pack = "auto",
    cpus_per_pack: Cpus = 1,
    gpus_per_pack: Gpus = None,
    max_concurrent: Concurrent = None,
) -> None:
    """Runs what is not done; may be stopped and run again at any time."""
    from dfa_tune.orchestration.runner import Resources, run_sweep

    sweep = _sweep(space, set_, method)
    resources = Resources(
        address=address,
        pack=_pack_size(pack),  # type: ignore[arg-type]
        cpus_per_pack=cpus_per_pack,
        gpus_per_pack=gpus_per_pack,
        max_concurrent=max_concurrent,
    )
    from rich.console import Console

    try:
        outcome = run_sweep(
            sweep, results, data=data, resources=resources, console=Console(), meanwhile=_import_matplotlib
        )
    except KeyboardInterrupt:
        typer.echo(
            "\nInterrupted. Finished trials are kept, and checkpoints of those in training, half a minute old"
            " at most; to go on:\n  " + _retry_command(),
            err=True,
        )
        raise typer.Exit(130) from None
    for name in outcome.set_aside:
        typer.echo(f"Set aside as damaged: {name} (now in {sweep.name}/damaged)")
    if outcome.taken_over:
        typer.echo(f"Taken over from other spaces: {outcome.taken_over} trials")
    if not outcome.trained and not outcome.failed:
        typer.echo(f"Nothing left to do: all {outcome.count.planned} trials of {sweep.name} are done.")
    _show_results(sweep, results, data, redraw=outcome.trained + outcome.taken_over > 0)
    if outcome.failed or outcome.count.remaining:
        for trial, cause in outcome.failed.items():
            typer.echo(f"failed: {trial}: {cause}", err=True)
        typer.echo(f"{outcome.count.remaining} trials remain; to retry:\n  {_retry_command()}", err=True)
        raise typer.Exit(1)


Server = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="The cluster's job server; default RAY_API_SERVER_ADDRESS, or http://127.0.0.1:8265.",
    ),
]


@app.command()
def submit(
    space: Space,
    results: Annotated[
        str, typer.Option(help="Folder (absolute) or URI that the whole cluster shares.", metavar="DIR|URI")
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder of torchvision's files, on the cluster; absolute.")
    ] = None,
    set_: Set = None,
    method: Methods = None,
    address: Server = None,
    pack: Pack = "auto",
    cpus_per_pack: Cpus = 1,
    gpus_per_pack: Gpus = None,
    max_concurrent: Concurrent = None,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
) -> None:
    """Runs a sweep as a job of a cluster that this machine is not part of."""
    from dfa_tune.orchestration.submission import JobServer, server_address

    for option, value in (("--results", results), ("--data", data)):
        if value is not None and "://" not in str(value) and not Path(value).is_absolute():
            raise UserError(f"{option} {value}: valid: an absolute path on the cluster's machines, or a URI")
    _pack_size(pack)
    options = {
        "--results": results,
        "--data": data,
        "--pack": pack,
        "--cpus-per-pack": cpus_per_pack,
        "--gpus-per-pack": gpus_per_pack,
        "--max-concurrent": max_concurrent,
    }
    given = [f"{option}={value}" for option, value in options.items() if value is not None]
    server = JobServer(address or server_address())
    job = server.submit(_sweep(space, set_, method), given)
    typer.echo(f"job {job}\n  its output   dfa-tune jobs {job}\n  to end it    dfa-tune jobs {job} --stop")
    if wait:
        _follow(server, job)


@app.command()
def jobs(
    name: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Show this job's output.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End the job; what it has finished is kept.")] = False,
    address: Server = None,
) -> None:
    """The jobs of a cluster; of one, its output to its end; or ends it."""
    from datetime import datetime

    from dfa_tune.orchestration.submission import JobServer, server_address

    if stop and name is None:
        raise UserError("--stop: name the job; `dfa-tune jobs` lists them")
    server = JobServer(address or server_address())
    if name is None:
        for job in server.jobs():
            started = datetime.fromtimestamp(job.started) if job.started else None
            when = f"{started:%Y-%m-%d %H:%M}" if started else "not started yet"
            typer.echo(f"{job.name}  {job.status.lower():<9}  {when}  {job.command}")
    elif stop:
        was_running = server.stop(name)
        typer.echo(f"{name}: {'stopping' if was_running else 'was not running any more'}")
    else:
        _follow(server, name)


def _follow(server: Any, name: str) -> None:
    """Print what the job prints; exits as it does."""
    try:
        for text in server.follow(name):
            typer.echo(text, nl=False)
    except KeyboardInterrupt:
        typer.echo(f"\nThe job goes on. To see more:\n  dfa-tune jobs {name}", err=True)
        raise typer.Exit(130) from None
    job = server.job(name)
    if job.status != "SUCCEEDED":
        typer.echo(f"job {name}: {job.status.lower()}: {job.message}", err=True)
        raise typer.Exit(job.exit_code if job.exit_code and job.exit_code > 0 else 1)


def _import_matplotlib() -> None:
    """What the figure at the end needs, a second of importing."""
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_svg  # noqa: F401


def _show_results(sweep: Sweep, results: str, data: Path | None, *, redraw: bool) -> None:
    """The summary table, and the paths of the figure and of the results."""
    from dfa_tune.analysis.load import load
    from dfa_tune.analysis.tables import summary_table
    from dfa_tune.results.store import Store

    agenda, rows = load(sweep, results, data=data)
    _print_table(sweep.title or sweep.name, summary_table(agenda, rows))
    store = Store(results, sweep.name)
    figures = [store.path("figures", f"{sweep.name}.{suffix}") for suffix in ("png", "svg")]
    if redraw or not all(Path(path).exists() for path in figures):
        from dfa_tune.analysis.figures import write

        figures = write(agenda, rows, store, data)[:2]  # the rates that were tried come after
    for path in figures:
        typer.echo(f"figure   {path}")
    typer.echo(f"results  {store.path('epochs')}")


@app.command()
def status(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    method: Methods = None,
) -> None:
    """Done, running, failed, remaining; from another terminal too."""
    from dfa_tune.analysis.load import load
    from dfa_tune.orchestration.ledger import Ledger
    from dfa_tune.results.failures import failures
    from dfa_tune.results.leases import Leases
    from dfa_tune.results.store import Store

    sweep = _sweep(space, set_, method)
    store = Store(results, sweep.name)
    agenda, rows = load(sweep, results, data=data)
    ledger = Ledger(agenda, store, rows)
    count = ledger.count()
    left = {trial.id: trial for trial in ledger.ready()}
    running = left.keys() & {t for lease in Leases(store).active().values() for t in lease.trial_ids}
    failed = {trial: cause for trial, cause in failures(store).items() if trial in left.keys() - running}
    typer.echo(
        f"{sweep.name}: {count.planned} trials: {count.done} done, {len(running)} running,"
        f" {len(failed)} failed, {count.remaining - len(running) - len(failed)} remaining"
    )
    for trial_id, cause in failed.items():
        trial = left[trial_id]
        typer.echo(f"failed: {trial_id} ({trial.method.name}, rate {trial.learning_rate:g}): {cause}")


@app.command()
def best(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    method: Methods = None,
    json_: Json = False,
) -> None:
    """The chosen learning rate of each method, and whether it is at its range's edge."""
    from dfa_tune.analysis.load import load
    from dfa_tune.analysis.tables import best_table

    sweep = _sweep(space, set_, method)
    _print(f"{sweep.name}: chosen learning rates", best_table(*load(sweep, results, data=data)), json_)


@app.command()
def summary(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    method: Methods = None,
    json_: Json = False,
) -> None:
    """Final accuracy of each method: n, mean, interval."""
    from dfa_tune.analysis.load import load
    from dfa_tune.analysis.tables import summary_table

    sweep = _sweep(space, set_, method)
    _print(sweep.title or sweep.name, summary_table(*load(sweep, results, data=data)), json_)


@app.command()
def plot(
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    method: Methods = None,
) -> None:
    """The figure, and the rates that were tried, as PNG and SVG under the results' `figures`."""
    from dfa_tune.analysis.figures import write
    from dfa_tune.analysis.load import load
    from dfa_tune.results.store import Store

    sweep = _sweep(space, set_, method)
    agenda, rows = load(sweep, results, data=data)
    if rows.empty:
        raise UserError(f"{sweep.name}: no results in {results} yet; run: dfa-tune run {space}")
    for path in write(agenda, rows, Store(results, sweep.name), data):
        typer.echo(path)


@app.command()
def verify(
    spaces: Spaces = None,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """What the thesis claims: expected, measured, interval, verdict; of these spaces, or of all."""
    from dfa_tune.analysis.verify import verify

    judged = verify(results, spaces=spaces or (), data=data, overrides=set_ or ())
    if json_:
        typer.echo(json.dumps([one.row() for one in judged], allow_nan=False, indent=2))
    else:
        from dfa_tune.analysis.claims_text import show

        show(judged)


@app.command()
def report(
    spaces: Spaces = None,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The file to write; default report.html in the results.", metavar="FILE"),
    ] = None,
) -> None:
    """One self-contained HTML file: claims, figures, tables, provenance; of these spaces, or of all."""
    from dfa_tune.analysis.report import report
    from dfa_tune.results.places import place

    page = report(results, spaces=spaces or (), data=data, overrides=set_ or ()).encode()
    where, name = (place(results), "report.html") if output is None else (place(output.parent), output.name)
    try:
        where.put(name, page)
    except OSError as error:
        raise UserError(f"{where.full(name)} cannot be written: {error.strerror}; choose --output") from None
    typer.echo(where.full(name))


@app.command()
def compact(space: Space, results: Results = "results") -> None:
    """Merges the many Parquet files of a finished sweep into few."""
    from dfa_tune.results.store import Store

    sweep = _sweep(space, None, None)
    removed = Store(results, sweep.name).compact()
    typer.echo(f"{sweep.name}: {removed} files fewer")


@app.command()
def repeat(
    trial_id: Annotated[str, typer.Argument(help="As in the results' column trial_id.")],
    results: Results = "results",
    data: Data = None,
) -> None:
    """Runs one recorded trial again, and says whether the numbers are the same."""
    from dfa_tune.orchestration.repeat import repeat as repeat_trial

    done = repeat_trial(trial_id, results, data=data)
    trial, recorded = done.trial, done.recorded
    typer.echo(f"{trial_id}: {trial.method.name}, rate {trial.learning_rate:g}, seed {trial.seed}")
    typer.echo(
        f"  recorded   {recorded.metadata.get('end', '')} on {recorded.metadata.get('host', 'unknown')}"
    )
    if done.difference is None:
        typer.echo(f"  identical  all {done.rows} rows, bit for bit")
    else:
        first = done.difference
        typer.echo(
            f"  differs    first at epoch {first.epoch}, {first.metric}:"
            f" {first.recorded} then, {first.now} now"
        )
        typer.echo(f"             {first.metric} by at most {first.largest:g}")
    for name, (then, now) in done.environment.items():
        typer.echo(f"  {name:<13} {then} then, {now} now")
    if done.difference is not None:
        if not done.environment:
            typer.echo("  nothing that a file records of its environment differs")
        raise typer.Exit(1)


@app.command()
def doctor(results: Results = "results", data: Data = None) -> None:
    """What this machine can do: Ray, GPUs, data sets, storage."""
    from dfa_tune.doctor import examine

    problems = 0
    for check in examine(results, data):
        problems += not check.good
        typer.echo(f"{'ok  ' if check.good else 'FAIL'}  {check.name:<10} {check.text}")
    raise typer.Exit(1 if problems else 0)


def _print(title: str, table: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(table, allow_nan=False, indent=2))
    else:
        _print_table(title, table)


def _print_table(title: str, table: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    if not table:
        typer.echo(f"{title}: nothing to show yet")
        return
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    columns = [column for column in table[0] if column not in ("low", "high")]
    for column in columns:
        shown.add_column(HEADINGS.get(column, column), justify="left" if column == "method" else "right")
        if column == "mean":
            shown.add_column("95% interval", justify="right", no_wrap=True)
    for row in table:
        cells = []
        for column in columns:
            cells.append(_cell(column, row[column]))
            if column == "mean":
                known = row["low"] is not None
                cells.append(f"{row['low']:.3f} .. {row['high']:.3f}" if known else "-")
        shown.add_row(*cells)
    # A pipe or a file has no width: no column is cut for its sake
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(shown)


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4g}" if column == "learning_rate" else f"{value:.3f}"

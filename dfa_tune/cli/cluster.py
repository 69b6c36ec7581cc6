"""Subcommands that run sweeps as jobs on a cluster that this machine is not part of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dfa_tune.cli.app import app
from dfa_tune.cli.console import say
from dfa_tune.cli.options import (
    Concurrent,
    Cpus,
    Gpus,
    MaxRepetitions,
    Methods,
    Pack,
    Plugins,
    Server,
    Set,
    Space,
    UntilDecided,
    pack_size,
    sweep_to_run,
)
from dfa_tune.errors import UserError


@app.command(
    rich_help_panel="Cluster", epilog="Example: dfa-tune submit fig_3_4 --results s3://bucket/results"
)
def submit(
    space: Space,
    results: Annotated[
        str, typer.Option(metavar="DIR|URI", help="Absolute path or URI that the whole cluster shares.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Absolute path of torchvision's data files on the cluster."),
    ] = None,
    set_: Set = None,
    plugin: Plugins = None,
    method: Methods = None,
    address: Server = None,
    pack: Pack = "auto",
    cpus_per_pack: Cpus = 1,
    gpus_per_pack: Gpus = None,
    max_concurrent: Concurrent = None,
    until_decided: UntilDecided = False,
    max_repetitions: MaxRepetitions = None,
    wait: Annotated[bool, typer.Option(help="Show the job's output until it ends.")] = True,
) -> None:
    """Run a sweep as a job on a cluster that this machine is not part of."""
    from dfa_tune.orchestration.cluster.submission import JobServer, server_address

    for option, value in (("--results", results), ("--data", data)):
        if value is not None and "://" not in str(value) and not Path(value).is_absolute():
            raise UserError(f"{option} {value}: valid: an absolute path on the cluster's machines, or a URI")
    pack_size(pack)
    options = {
        "--results": results,
        "--data": data,
        "--pack": pack,
        "--cpus-per-pack": cpus_per_pack,
        "--gpus-per-pack": gpus_per_pack,
        "--max-concurrent": max_concurrent,
    }
    given = [f"{option}={value}" for option, value in options.items() if value is not None]
    sweep = sweep_to_run(space, set_, method, results, until_decided, max_repetitions)
    server = JobServer(address or server_address())
    job = server.submit(sweep, given)
    say(f"job {job}\n  output   dfa-tune jobs {job}\n  stop     dfa-tune jobs {job} --stop")
    if wait:
        _follow(server, job)


@app.command(rich_help_panel="Cluster", epilog="Example: dfa-tune jobs --address http://127.0.0.1:8265")
def jobs(
    name: Annotated[str | None, typer.Argument(metavar="JOB", help="Show this job's output.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the job; its finished trials are kept.")] = False,
    address: Server = None,
) -> None:
    """List the jobs of a cluster, follow the output of one, or stop it."""
    from datetime import datetime

    from dfa_tune.orchestration.cluster.submission import JobServer, server_address

    if stop and name is None:
        raise UserError("--stop: name the job; `dfa-tune jobs` lists them")
    server = JobServer(address or server_address())
    if name is None:
        for job in server.jobs():
            started = datetime.fromtimestamp(job.started) if job.started else None
            when = f"{started:%Y-%m-%d %H:%M}" if started else "not started yet"
            say(f"{job.name}  {job.status.lower():<9}  {when}  {job.command}")
    elif stop:
        was_running = server.stop(name)
        say(f"{name}: {'stopping' if was_running else 'had already ended'}")
    else:
        _follow(server, name)


def _follow(server: Any, name: str) -> None:
    """Print the output of the job until it ends, then exit with its exit code."""
    try:
        for text in server.follow(name):
            typer.echo(text, nl=False)  # raw: the log of the user's own job, with its colours
    except KeyboardInterrupt:
        say(f"\nThe job goes on. To see its output again:\n  dfa-tune jobs {name}", error=True)
        raise typer.Exit(130) from None
    job = server.job(name)
    if job.status != "SUCCEEDED":
        say(f"job {name}: {job.status.lower()}: {job.message}", error=True)
        raise typer.Exit(job.exit_code if job.exit_code and job.exit_code > 0 else 1)

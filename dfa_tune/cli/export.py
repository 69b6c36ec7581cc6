"""The subcommand that writes results for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dfa_tune.cli.app import app
from dfa_tune.cli.console import say
from dfa_tune.cli.options import Data, Methods, Plugins, Results, Set, Space, sweep_of
from dfa_tune.errors import UserError


class ExportFormat(StrEnum):
    """What results can be exported to."""

    csv = "csv"
    tensorboard = "tensorboard"
    mlflow = "mlflow"


@app.command(rich_help_panel="Results", epilog="Example: dfa-tune export csv quickstart")
def export(
    format_: Annotated[ExportFormat, typer.Argument(metavar="FORMAT", help="csv, tensorboard or mlflow.")],
    space: Space,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    plugin: Plugins = None,
    method: Methods = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|URI",
            help="The folder to write to, or for mlflow a tracking URI; default: export/FORMAT.",
        ),
    ] = None,
) -> None:
    """Write each trial as a run for other programs, grouped by everything but the seed."""
    from dfa_tune.analysis.export.runs import runs
    from dfa_tune.planning.sweep_results import load_sweep_results

    sweep = sweep_of(space, set_, method, results)
    found = runs(load_sweep_results(sweep, results, data=data))
    target = f"export/{format_}" if output is None else output
    folder = Path(target) / sweep.name
    try:
        if format_ is ExportFormat.csv:
            from dfa_tune.analysis.export import csv_files

            for path in csv_files.write(found, folder):
                say(path)
        elif format_ is ExportFormat.tensorboard:
            from dfa_tune.analysis.export import tensorboard_events

            tensorboard_events.write(found, folder)
            say(f"{folder}: {len(found)} runs")
            say(f"  to see them   tensorboard --logdir {target}")
        else:
            from dfa_tune.analysis.export import mlflow_store

            uri, new = mlflow_store.write(found, target, sweep.name)
            say(f"{uri}: {new} new runs, {len(found) - new} there already")
            say(f"  to see them   mlflow ui --backend-store-uri {uri}")
    except ModuleNotFoundError as error:
        raise UserError(
            f"export {format_}: needs the package {error.name}, which is not installed;"
            f" valid: `uv sync --extra {format_}` in a clone, else pip install 'dfa-tune[{format_}]'"
        ) from None
    except OSError as error:
        raise UserError(f"--output {target}: cannot be written: {error.strerror or error}") from None

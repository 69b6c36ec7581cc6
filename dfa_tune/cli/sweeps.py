"""Subcommands to begin with: the search spaces there are, a new one, and what this machine offers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfa_tune.cli.app import app
from dfa_tune.cli.console import say
from dfa_tune.cli.options import Data, Results
from dfa_tune.errors import UserError


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


@app.command(rich_help_panel="Sweeps", epilog="Example: dfa-tune doctor --results /shared/results")
def doctor(results: Results = "results", data: Data = None) -> None:
    """Check what this machine offers: Ray, GPUs, data sets and storage."""
    from dfa_tune.cli.doctor import examine

    problems = 0
    for check in examine(results, data):
        problems += not check.good
        say(f"{'ok  ' if check.good else 'FAIL'}  {check.name:<10} {check.text}")
    raise typer.Exit(1 if problems else 0)

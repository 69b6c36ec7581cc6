"""The `dfa-tune` command itself: its options, and what holds for all of its subcommands."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dfa_tune import __version__
from dfa_tune.errors import UserError


class _Commands(TyperGroup):
    """Prints a UserError as its message alone and exits with code 2, whichever command raised it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            typer.echo(f"dfa-tune: {error}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    name="dfa-tune",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dfa-tune {__version__}")
        raise typer.Exit


@app.callback(epilog="Start with: dfa-tune run quickstart")
def dfa_tune(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Backpropagation against direct feedback alignment: tune, repeat and plot sweeps with Ray Tune."""

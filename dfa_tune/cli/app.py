"""The `dfa-tune` command itself: its options, and what holds for all of its subcommands."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dfa_tune import __version__
from dfa_tune.cli.console import say
from dfa_tune.errors import UserError, this_command


class _Commands(TyperGroup):
    """Ends each command alike: with a UserError's message and exit code 2, or with 130 when interrupted."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            say(f"dfa-tune: {error}", error=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            say(f"\nInterrupted. To resume:\n  {this_command()}", error=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="dfa-tune",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"dfa-tune {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Start with: dfa-tune run quickstart\n\nExit codes: 0 all done; 1 some trials failed, or a check"
    " found something; 2 wrong usage or an invalid space; 130 interrupted."
)
def dfa_tune(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Backpropagation against direct feedback alignment: tune, repeat and plot sweeps with Ray Tune."""

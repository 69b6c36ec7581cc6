"""The command's frame: what every subcommand shares."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from dfa_tune.errors import UserError


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

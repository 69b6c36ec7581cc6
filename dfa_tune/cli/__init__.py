"""The `dfa-tune` command: parse, call, print. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import signal

from dfa_tune.cli.app import app

# isort: off
from dfa_tune.cli import sweeps, results, cluster  # noqa: F401  # in the order in which help lists them
# isort: on

__all__ = ["app", "main"]


def main() -> None:
    """The console script's entry."""
    # What a scheduler sends before it takes a machine away: then end as after Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()

"""The `dfa-tune` command. Each subcommand imports the heavy modules that it needs, so that help is fast."""

from __future__ import annotations

import signal

from dfa_tune.cli.app import app

# isort: off
from dfa_tune.cli import sweeps, results, cluster  # noqa: F401  # the order in help
# isort: on

__all__ = ["app", "main"]


def main() -> None:
    """The entry point of the console script."""
    # A scheduler sends SIGTERM before it takes a machine away: end as after Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()

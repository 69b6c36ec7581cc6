"""The `dfa-tune` command. Each subcommand imports the heavy modules that it needs, so that help is fast."""

from __future__ import annotations

import sys

from dfa_tune.cli import console
from dfa_tune.cli.app import app

# isort: off
from dfa_tune.cli import sweeps, new, plan, run, results, report, export, cluster  # noqa: F401  # the order in help
# isort: on

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    console.prepare()
    try:
        app()
    except SystemExit as end:
        sys.exit(console.finish(end.code if isinstance(end.code, int) else int(bool(end.code))))
    except OSError as error:
        if error.filename is not None:  # not of output, which is open already: an error of ours
            raise
        console.drop_output(error)
        sys.exit(console.finish(1))

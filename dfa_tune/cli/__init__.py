"""The `dfa-tune` command. Each subcommand imports the heavy modules that it needs, so that help is fast."""

from __future__ import annotations

from dfa_tune.cli.app import app

# isort: off
from dfa_tune.cli import sweeps, results, cluster  # noqa: F401  # the order in help
# isort: on

__all__ = ["app"]

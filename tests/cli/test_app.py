"""What holds for every subcommand: help with an example, `-h`, the version."""

from __future__ import annotations

import re

import pytest
import typer.main

import dfa_tune
from dfa_tune.cli import app

COMMANDS = {
    name: command for name, command in typer.main.get_command(app).commands.items() if not command.hidden
}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example_that_fits_on_a_line_of_eighty_columns(name: str, invoke) -> None:
    code, out, _ = invoke(name, "-h", COLUMNS="80")
    assert code == 0
    assert re.fullmatch(rf" Example: dfa-tune {name}\b.*", out.rstrip().splitlines()[-1].rstrip())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_valid(name: str) -> None:
    _, *arguments = COMMANDS[name].epilog.removeprefix("Example: dfa-tune ").split()
    COMMANDS[name].make_context(name, arguments)  # raises click's UsageError where it is not


def test_the_version_is_the_packages(invoke) -> None:
    assert invoke("--version") == (0, f"dfa-tune {dfa_tune.__version__}\n", "")

"""Writes the beginning of a rule, or of another part, in a file of one's own, with its test."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dfa_tune.cli.app import app
from dfa_tune.cli.console import say
from dfa_tune.cli.sweeps import init
from dfa_tune.errors import UserError

TEMPLATES = Path(__file__).parent / "templates"


class Kind(StrEnum):
    """What can be begun."""

    rule = "rule"
    optimizer = "optimizer"
    feedback = "feedback"
    activation = "activation"
    problem = "problem"
    figure = "figure"
    space = "space"


# How it is used, after `dfa-tune`
USES = {
    Kind.rule: "run quickstart --plugin {0}.py --set 'methods=[{{rule: [bp, {0}], optimizer: sgd}}]'",
    Kind.optimizer: "run quickstart --plugin {0}.py --set 'methods=[{{rule: [bp, dfa], optimizer: {0}}}]'"
    " --set 'learning_rates={{{0}: {{low: 1.0e-4, high: 1.0e-2, points: 5}}}}'",
    Kind.feedback: "run quickstart --plugin {0}.py"
    " --set 'methods=[{{rule: dfa, optimizer: sgd, feedback: [uniform, {0}]}}]'",
    Kind.activation: "run quickstart --plugin {0}.py --set network.activation={0}",
    Kind.problem: "run quickstart --plugin {0}.py --set 'problem={{kind: {0}}}'",
    Kind.figure: "plot quickstart --plugin {0}.py",
}


@app.command(rich_help_panel="Sweeps", epilog="Example: dfa-tune new rule mine")
def new(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="KIND", help="rule, optimizer, feedback, activation, problem, figure or space."
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in a search space.")],
) -> None:
    """Write NAME.py and its test, to begin a rule or another part with; both run as they are."""
    if kind is Kind.space:
        init(name)
        return
    from dfa_tune import registry

    known = {
        Kind.rule: registry.RULES,
        Kind.optimizer: registry.OPTIMIZERS,
        Kind.feedback: registry.FEEDBACK,
        Kind.activation: registry.ACTIVATIONS,
        Kind.problem: registry.PROBLEMS,
        Kind.figure: registry.FIGURES,
    }[kind]
    known.check_name(name, name)
    files = {
        Path(f"{name}.py"): TEMPLATES / f"{kind}.py",
        Path(f"test_{name}.py"): TEMPLATES / f"{kind}_test.py",
    }
    for path in files:
        if path.exists():
            raise UserError(f"{path}: there already; choose another name")
    for path, template in files.items():
        text = template.read_text(encoding="utf-8").replace("NAME", name)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}") from None
        say(path)
    say(f"  to use it    dfa-tune {USES[kind].format(name)}")
    say(f"  to test it   pytest test_{name}.py")
    if kind is not Kind.figure:
        say(f"               DFA_TUNE_PLUGINS={name}.py pytest --pyargs dfa_tune.testing")

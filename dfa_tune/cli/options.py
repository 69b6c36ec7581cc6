"""Arguments and options that several subcommands take, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfa_tune.cli.tables import Format
from dfa_tune.errors import UserError

if TYPE_CHECKING:
    from dfa_tune.orchestration.packs.pack_size import PackSize
    from dfa_tune.planning.sweep import Sweep


def _bundled_spaces(incomplete: str) -> list[str]:
    """The names that a shell offers where a space is wanted."""
    from dfa_tune.planning.sweep import space_names

    return [name for name in space_names() if name.startswith(incomplete)]


Space = Annotated[
    str,
    typer.Argument(
        metavar="SPACE",
        help="A name from `dfa-tune list`, or the path of a YAML file.",
        autocompletion=_bundled_spaces,
    ),
]
Spaces = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SPACE", help="Names or YAML files; default: all.", autocompletion=_bundled_spaces
    ),
]
Results = Annotated[str, typer.Option(metavar="DIR|URI", help="Where the results lie.")]
Data = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where torchvision's data files lie; default: DFA_TUNE_DATA, or the user's cache.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a field: training.epochs=2. Repeatable."),
]
Methods = Annotated[
    list[str] | None, typer.Option("--method", metavar="NAME", help="Keep only this method. Repeatable.")
]


def _register(context: typer.Context, named: list[str] | None) -> list[str] | None:
    from dfa_tune.registry import register

    for one in () if context.resilient_parsing else named or ():  # not while a shell completes a line
        register(one)
    return named


# Registered before anything else is read. A command needs to do nothing with it
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="FILE.py|MODULE",
        help="Add a rule, an optimizer or a figure of one's own. Repeatable.",
        is_eager=True,
        callback=_register,
    ),
]
TableFormat = Annotated[
    Format, typer.Option("--format", metavar="FORMAT", help="table, json, csv, markdown or latex.")
]
Json = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Pack = Annotated[str, typer.Option(metavar="auto|N", help="How many trials a worker trains together.")]
Cpus = Annotated[int, typer.Option(metavar="N", min=1, help="Cores, and threads, for each pack.")]
Gpus = Annotated[
    float | None,
    typer.Option(metavar="F", min=0, help="GPUs for each pack, such as 0.5; 0: train on CPUs."),
]
Concurrent = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="At most so many packs at once; with --address, how far a cluster may grow.",
    ),
]
UntilDecided = Annotated[
    bool, typer.Option("--until-decided", help="Repeat until every claim about the space is decided.")
]
MaxRepetitions = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="At most so many repetitions; default: the space's, or 20."),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="The job server; default: RAY_API_SERVER_ADDRESS, or http://127.0.0.1:8265.",
    ),
]


def sweep_of(space: str, overrides: list[str] | None, methods: list[str] | None, results: str) -> Sweep:
    """The sweep that a command's arguments mean; raises UserError where one of them is not valid."""
    from dfa_tune.planning.sweep import load_sweep

    return load_sweep(space, overrides=overrides or (), methods=methods or (), results=results)


def sweep_to_run(
    space: str,
    overrides: list[str] | None,
    methods: list[str] | None,
    results: str,
    until_decided: bool,
    max_repetitions: int | None,
) -> Sweep:
    """As `sweep_of`, with the repetitions that `--until-decided` and `--max-repetitions` ask for."""
    sweep = sweep_of(space, overrides, methods, results)
    if until_decided or max_repetitions is not None:
        more = repetitions_option(sweep, until_decided, max_repetitions)
        sweep = sweep_of(space, [*(overrides or ()), more], methods, results)
    return sweep


def repetitions_option(sweep: Sweep, until_decided: bool, most: int | None) -> str:
    """The option of `--set` that `--until-decided` and `--max-repetitions` stand for, given the space's own.

    Raises UserError where the maximum is below what the space has at least, or where nothing says when to
    stop before it.
    """
    from dfa_tune.config.schema import MAX_REPETITIONS, HalfWidth

    own = sweep.repetitions
    if most is not None and most < own.min:
        raise UserError(
            f"--max-repetitions {most}: {sweep.name} has at least {own.min} repetitions; valid: {own.min} or"
            " more, or set `repetitions` too"
        )
    if own.until is None and not until_decided:
        raise UserError(f"--max-repetitions {most}: nothing says when fewer are enough; add --until-decided")
    if most is None:
        most = own.max if own.until is not None else max(own.min, MAX_REPETITIONS)
    narrow = isinstance(own.until, HalfWidth) and not until_decided
    until = f"{{half_width: {own.until.half_width}}}" if narrow else "decided"
    return f"repetitions={{min: {own.min}, max: {most}, until: {until}}}"


def pack_size(value: str) -> PackSize:
    """The value of `--pack`; raises UserError where it is neither auto nor a number from 1."""
    if value == "auto":
        return "auto"
    if value.isdecimal() and int(value) >= 1:
        return int(value)
    raise UserError(f"--pack {value}; valid: auto, or a number of trials from 1")

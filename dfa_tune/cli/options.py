"""Arguments and options that several subcommands take, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfa_tune.errors import UserError

if TYPE_CHECKING:
    from dfa_tune.orchestration.packs.pack import PackSize
    from dfa_tune.planning.sweep import Sweep

Space = Annotated[str, typer.Argument(help="A name that `dfa-tune list` shows, or the path of a YAML file.")]
Spaces = Annotated[
    list[str] | None, typer.Argument(metavar="[SPACE]...", help="Names or YAML files; default all.")
]
Results = Annotated[str, typer.Option(help="Folder or URI of the results.", metavar="DIR|URI")]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of torchvision's files; default DFA_TUNE_DATA, or the user's cache."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a field, e.g. training.epochs=2. Repeatable."),
]
Methods = Annotated[
    list[str] | None, typer.Option("--method", metavar="NAME", help="Keep only this method. Repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Pack = Annotated[str, typer.Option(metavar="auto|N", help="Trials that one worker trains together.")]
Cpus = Annotated[int, typer.Option(min=1, help="Cores, and threads, of a pack.")]
Gpus = Annotated[
    float | None, typer.Option(min=0, help="GPUs of a pack, fractions too; 0 leaves the GPUs alone.")
]
Concurrent = Annotated[
    int | None,
    typer.Option(min=1, help="Packs at once, at most; with --address, what a cluster may grow to."),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="The cluster's job server; default RAY_API_SERVER_ADDRESS, or http://127.0.0.1:8265.",
    ),
]


def sweep_of(space: str, overrides: list[str] | None, methods: list[str] | None, results: str) -> Sweep:
    """The sweep of a command's arguments; UserError where anything about it is not valid."""
    from dfa_tune.planning.sweep import load_sweep

    return load_sweep(space, overrides=overrides or (), methods=methods or (), results=results)


def pack_size(value: str) -> PackSize:
    """What `--pack` says; UserError where it is neither auto nor a number from 1."""
    if value == "auto":
        return "auto"
    if value.isdecimal() and int(value) >= 1:
        return int(value)
    raise UserError(f"--pack {value}; valid: auto, or a number of trials from 1")

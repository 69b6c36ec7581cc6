"""The subcommand that writes the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfa_tune.cli.app import app
from dfa_tune.cli.console import say
from dfa_tune.cli.options import Data, Plugins, Results, Set, Spaces
from dfa_tune.errors import UserError


@app.command(
    rich_help_panel="Results", epilog="Example: dfa-tune report fig_3_1 fig_3_4 --output report.html"
)
def report(
    spaces: Spaces = None,
    results: Results = "results",
    data: Data = None,
    set_: Set = None,
    plugin: Plugins = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The file to write; default: report.html in the results.", metavar="FILE"),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Write it anew while a sweep runs, until it is done; the page follows."),
    ] = False,
) -> None:
    """Write one HTML file with the claims, figures, tables and provenance of sweeps."""
    from dfa_tune.analysis.report import Following, report
    from dfa_tune.results.storage import open_storage

    try:
        folder, special = output and output.is_dir(), output and output.exists() and not output.is_file()
    except PermissionError as error:  # its folder may not be looked at
        raise UserError(f"--output {output}: cannot be written: {error.strerror}") from None
    if folder:
        raise UserError(f"--output {output}: is a folder; valid: the path of a file")
    storage = open_storage(results if output is None else output.parent)
    name = "report.html" if output is None else output.name
    stream = output if special else None
    shown = storage.full(name) if stream is None else output

    def write(following: Following | None) -> None:
        page = report(
            results, spaces=spaces or (), data=data, overrides=set_ or (), following=following
        ).encode()
        if stream is None:
            storage.put(name, page)
        else:
            _write_into(stream, page)

    if not watch:
        write(None)
        say(shown)
        return
    from dfa_tune.analysis import report_watch

    if stream is not None:
        raise UserError(f"--output {output}: is no file, and --watch replaces it; valid: the path of a file")
    say(f"{shown}\n  open it in a browser: it follows the run; Ctrl-C ends this")
    ended = report_watch.watch(
        write, lambda: report_watch.progress(results, spaces=spaces or (), data=data, overrides=set_ or ())
    )
    say(f"{ended}: the report is final")


def _write_into(output: Path, content: bytes) -> None:
    """Write to a pipe or a device, such as /dev/null; a new file must not take its place."""
    try:
        output.write_bytes(content)
    except OSError as error:
        raise UserError(f"--output {output}: cannot be written: {error.strerror}") from None

"""Tables for the terminal."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

HEADINGS = {"learning_rate": "rate", "at_edge": "at edge", "mean": "mean accuracy"}


def print_json_or_table(title: str, table: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(table, allow_nan=False, indent=2))
    else:
        print_table(title, table)


def print_table(title: str, table: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    if not table:
        typer.echo(f"{title}: nothing to show yet")
        return
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    columns = [column for column in table[0] if column not in ("low", "high")]
    for column in columns:
        shown.add_column(HEADINGS.get(column, column), justify="left" if column == "method" else "right")
        if column == "mean":
            shown.add_column("95% interval", justify="right", no_wrap=True)
    for row in table:
        cells = []
        for column in columns:
            cells.append(_cell(column, row[column]))
            if column == "mean":
                known = row["low"] is not None
                cells.append(f"{row['low']:.3f} .. {row['high']:.3f}" if known else "-")
        shown.add_row(*cells)
    # A pipe or a file has no width: no column is cut
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(shown)


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4g}" if column == "learning_rate" else f"{value:.3f}"

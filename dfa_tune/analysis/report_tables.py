"""Tables of the report: cells with the values that they are sorted by, and the same rows as CSV."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

HEADINGS = {
    "learning_rate": "learning rate",
    "mean": "mean accuracy",
    "at_edge": "at the range's edge",
    "tuning_trials": "tuning trials",
    "tuning_epochs": "tuning epochs",
    "stopped_trials": "stopped trials",
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, and the value that the column is sorted by."""

    text: str
    value: str | float


@dataclass(frozen=True)
class Table:
    """A table, and its rows as CSV in a data URI. `marked` has the numbers of the rows that stand out."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    csv: str
    marked: frozenset[int] = frozenset()


def table(title: str, rows: Sequence[Row], *, mark: str | None = None) -> Table:
    """Rows with the same keys as a table; numbers are rounded to three decimals, rates to three digits.

    mark: the key whose true values mark a row
    """
    columns = list(rows[0]) if rows else []
    return Table(
        title,
        [HEADINGS.get(name, name) for name in columns],
        [[_cell(row[name], chosen=_is_chosen(row, name)) for name in columns] for row in rows],
        csv_uri(rows),
        frozenset(number for number, row in enumerate(rows) if mark is not None and row[mark]),
    )


def csv_uri(rows: Sequence[Row]) -> str:
    """A data URI of the rows with all their digits; text that a spreadsheet would compute begins with '."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _harmless(value) for key, value in row.items()} for row in rows)
    return f"data:text/csv;base64,{base64.b64encode(text.getvalue().encode()).decode()}"


def _is_chosen(row: Row, name: str) -> bool:
    """Whether the column has what a tuning chose, which may be small."""
    return name == "learning_rate" or f"{name}_at_edge" in row


def _cell(value: Any, *, chosen: bool) -> Cell:
    if value is None:
        return Cell("-", "")
    if isinstance(value, bool):
        return Cell("yes" if value else "no", int(value))
    if isinstance(value, float):
        small = 0 < abs(value) < 0.001  # a weight decay, for instance
        return Cell(f"{value:.3g}" if chosen or small else f"{value:.3f}", value)
    return Cell(str(value), value if isinstance(value, int) else str(value))


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value

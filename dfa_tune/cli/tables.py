"""Tables of results in every format: for the terminal, for programs, for papers.

A table is a list of rows with the same keys. Where a row has `low` and `high`, they are the interval of its
`mean` or `measured`, and are shown as one column beside it.
"""

from __future__ import annotations

import csv
import io
from enum import StrEnum
from typing import Any

from dfa_tune.cli.console import print_json, print_rich, printable, say, terminal

Row = dict[str, Any]
HEADINGS = {
    "learning_rate": "rate",
    "at_edge": "at edge",
    "mean": "mean accuracy",
    "tuning_trials": "tuning trials",
    "tuning_epochs": "tuning epochs",
    "stopped_trials": "stopped trials",
}
# Student's t for one look at a mean; a confidence sequence, which holds at every look, for a claim
INTERVALS = {"mean": "95% interval", "measured": "interval, 5% a side"}
STATISTICS = ("mean", "sd", "measured", "criterion", "criterion_sd", "criterion_lowest")
LEFT = ("method", "id", "claim", "source", "verdict")  # text; numbers are set to the right
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


class Format(StrEnum):
    """The formats of a table."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"
    latex = "latex"


def print_as(form: Format, title: str, table: list[Row]) -> None:
    """Print a table in one of the formats; `title` is above it where the format has a place for it."""
    if form is Format.json:
        print_json(table)
    elif form is Format.csv:
        say(as_csv(table).rstrip("\n"))
    elif form is Format.markdown:
        say(as_markdown(table))
    elif form is Format.latex:
        say(as_latex(title, table))
    else:
        print_table(title, table)


def print_table(title: str, table: list[Row]) -> None:
    """Print a table for the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if not table:
        say(f"{title}: nothing to show yet")
        return
    heading = Text(printable(title), style="table.title")
    shown = Table(title=heading, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in columns(table):
        whole = name in ("method", *INTERVALS.values())  # a name that is cut could be another's
        justify: Any = "left" if name in LEFT else "right"
        shown.add_column(Text(HEADINGS.get(name, name)), justify=justify, no_wrap=whole)
    for row in table:
        shown.add_row(*(Text(cell(row, name)) for name in columns(table)))
    print_rich(terminal(width_of_pipe=200), shown)


def columns(table: list[Row]) -> list[str]:
    """The columns that are shown of a table: its keys, with `low` and `high` as one of INTERVALS."""
    keys = [key for key in (table[0] if table else {}) if key not in ("low", "high")]
    if table and "low" in table[0]:
        of = "mean" if "mean" in keys else "measured"
        keys.insert(keys.index(of) + 1, INTERVALS[of])
    return keys


def cell(row: Row, column: str) -> str:
    """What a row shows in a column."""
    if column in INTERVALS.values():
        return "-" if row["low"] is None else f"{row['low']:.3f} .. {row['high']:.3f}"
    value = row[column]
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return " ".join(printable(value).split())
    chosen = column == "learning_rate" or f"{column}_at_edge" in row  # by a tuning
    small = column not in STATISTICS and 0 < abs(value) < 0.001  # a weight decay, for instance
    return f"{value:.4g}" if chosen or small else f"{value:.3f}"


def as_csv(table: list[Row]) -> str:
    """CSV with the keys as header and all digits of the numbers; what is not known is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def as_markdown(table: list[Row]) -> str:
    """A table of GitHub's Markdown."""
    names = columns(table)
    lines = [
        [HEADINGS.get(name, name) for name in names],
        [":--" if name in LEFT else "--:" for name in names],
        *([cell(row, name).replace("|", "\\|") for name in names] for row in table),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_latex(title: str, table: list[Row]) -> str:
    """A table of LaTeX with the rules of the package booktabs, and what is in it as caption.

    At each point of the axes the highest mean is bold, and so are those within its interval.
    """
    names = columns(table)
    bounds = _lowest_bold(table)
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_latex(title)}{_latex(_counts(table))}}}",
        rf"  \begin{{tabular}}{{{''.join('l' if name in LEFT else 'r' for name in names)}}}",
        r"    \toprule",
        "    " + " & ".join(_latex(HEADINGS.get(name, name)) for name in names) + r" \\",
        r"    \midrule",
    ]
    for row in table:
        cells = [
            _latex(cell(row, name).replace(" .. ", " to ") if name in INTERVALS.values() else cell(row, name))
            for name in names
        ]
        if row.get("mean") is not None and row["mean"] >= bounds[_point(row)]:
            at = names.index("mean")
            cells[at] = rf"\textbf{{{cells[at]}}}"
        lines.append("    " + " & ".join(cells) + r" \\")
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}"])


def _point(row: Row) -> tuple[Any, ...]:
    """The values of the axes: what stands between the method and its learning rate."""
    keys = list(row)
    return tuple(row[key] for key in keys[keys.index("method") + 1 : keys.index("learning_rate")])


def _lowest_bold(table: list[Row]) -> dict[tuple[Any, ...], float]:
    """At each point of the axes, the lower bound of the highest mean; that mean itself where it has none."""
    means = sorted((row for row in table if row.get("mean") is not None), key=lambda row: row["mean"])
    return {_point(row): row["mean"] if row["low"] is None else row["low"] for row in means}


def _counts(table: list[Row]) -> str:
    """How many repetitions, and what is bold: ". Mean of n = 3 repetitions ..."; empty for other tables."""
    if not table or "mean" not in table[0]:
        return ""
    least, most = min(row["n"] for row in table), max(row["n"] for row in table)
    n = f"{least}" if least == most else f"{least} to {most}"
    return (
        f". Mean over n = {n} repetitions with its 95% interval (Student's t)."
        " Bold: the highest mean, and those within its interval."
    )


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in printable(text))

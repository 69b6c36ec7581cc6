"""The table of `dfa-tune verify`, for a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dfa_tune.analysis.verify import FAILS, HOLDS, LEVEL, NOT_RUN, UNDECIDED, Judged, shown, summary

COLOURS = {HOLDS: "green", FAILS: "red", UNDECIDED: "yellow", NOT_RUN: "dim"}
NOTE = (
    "Measured: the mean over n repetitions, paired by seed, and its 95% interval; of a claim about several,"
    " the weakest. A claim holds, or does not, where Holm's correction over all claims leaves"
    f" p < {LEVEL:g}."
)


def show(judged: Sequence[Judged]) -> None:
    """Prints the table and what its columns are; words wrap, and fit from 80 columns on."""
    # A pipe has no width of its own
    console = Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=120)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("claim", ratio=1)
    table.add_column("expected", justify="right", max_width=14)
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("verdict", max_width=9 if console.width < 100 else 13)
    for one in judged:
        words = Text(one.claim.claim)
        if one.part and len(one.part) < 60:
            words.append(f" [{one.part}]", style="dim")
        table.add_row(
            words,
            Text(one.claim.expected),
            measured(one),
            str(one.n or "-"),
            Text(one.verdict, style=COLOURS[one.verdict]),
        )
    console.print(table)
    console.print(Text(f"{summary(judged)} {NOTE}"))


def measured(one: Judged) -> Text:
    """The measured value, and below it its interval."""
    if one.measured is None:
        return Text("-")
    text = Text(shown(one.measured))
    if one.low is not None and one.high is not None:
        text.append(f"\n{shown(one.low)} .. {shown(one.high)}", style="dim")
    return text

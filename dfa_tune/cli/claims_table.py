"""The table of `dfa-tune verify` in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from dfa_tune.analysis.verify import FAILS, HOLDS, LEVEL, NOT_RUN, UNDECIDED, Judged, shown, summary
from dfa_tune.cli.console import print_rich, printable, terminal

COLOURS = {HOLDS: "green", FAILS: "red", UNDECIDED: "yellow", NOT_RUN: "dim"}
NOTE = (
    "Measured: the mean over n repetitions, paired by seed, and its 95% interval; for a claim about several"
    " comparisons, the weakest. A claim holds, or does not hold, where"
    f" p < {LEVEL:g} after Holm's correction over all claims."
)


def print_claims(judged: Sequence[Judged]) -> None:
    """Print the claims as a table with a note on its columns; words wrap, from 80 columns on."""
    console = terminal(width_of_pipe=120)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("claim", ratio=1)
    table.add_column("expected", justify="right", max_width=14)
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("verdict", max_width=9 if console.width < 100 else 13)
    for one in judged:
        words = Text(printable(one.claim.claim))
        if one.part and len(one.part) < 60:
            words.append(printable(f" [{one.part}]"), style="dim")
        table.add_row(
            words,
            Text(printable(one.claim.expected)),
            measured(one),
            str(one.n or "-"),
            Text(one.verdict, style=COLOURS[one.verdict]),
        )
    print_rich(console, table, Text(f"{summary(judged)} {NOTE}"))


def measured(one: Judged) -> Text:
    """The measured value, and its interval on the next line."""
    if one.measured is None:
        return Text("-")
    text = Text(shown(one.measured))
    if one.low is not None and one.high is not None:
        text.append(f"\n{shown(one.low)} .. {shown(one.high)}", style="dim")
    return text

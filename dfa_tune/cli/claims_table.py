"""The table of `dfa-tune verify` in a terminal: a line a claim, with a bar of its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from dfa_tune.analysis.claim_evidence import FAILS, HOLDS, LEVEL, NOT_RUN, UNDECIDED, bounds, is_ratio
from dfa_tune.analysis.judging import THESIS, Judged, shown, summary
from dfa_tune.cli.console import duration, print_rich, printable, terminal

COLOURS = {HOLDS: "green", FAILS: "red", UNDECIDED: "yellow", NOT_RUN: "dim"}


class Signs(NamedTuple):
    """The characters of a bar."""

    line: str
    bound: str
    crossed: str
    mean: str


SIGNS, PLAIN = Signs("─", "│", "┼", "●"), Signs("-", "|", "+", "o")
NARROW = 100  # columns; below them the interval is in the bar alone
NOTE = (
    "Measured: the mean over n repetitions, paired by seed; for a claim about several comparisons the weakest"
    f" of them. Interval: {LEVEL:.0%} a side at whichever n one stops, not corrected for the number of"
    " claims. Bar: the interval, the mean (●) and the bound (│). n: the repetitions that count, and about how"
    " many an undecided claim is expected to need. The probability that any claim is ever wrongly said to"
    f" hold is at most {LEVEL:.0%}, and that any is wrongly said not to hold {LEVEL:.0%} too: together at"
    f" most {2 * LEVEL:.0%}."
)


def print_claims(judged: Sequence[Judged]) -> None:
    """Print the claims of each family as a table, with a note on its columns; words wrap."""
    console = terminal(width_of_pipe=120)
    wide, signs = console.width >= NARROW, SIGNS if console.encoding.lower().startswith("utf") else PLAIN
    for family, claims in groupby(judged, lambda one: one.family):
        of_family = list(claims)
        title = None if family == THESIS else Text(printable(f"Claims of {family}"), style="bold")
        table = Table(
            box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, title=title, title_justify="left"
        )
        table.add_column("verdict", no_wrap=True)
        table.add_column("measured", justify="right", no_wrap=True)
        if wide:
            table.add_column("interval", justify="right", no_wrap=True)
        table.add_column("n", justify="right", no_wrap=True)
        table.add_column("bar", no_wrap=True)
        table.add_column("claim", ratio=1)
        for one in of_family:
            table.add_row(
                Text(one.verdict, style=COLOURS[one.verdict]),
                Text(shown(one.measured)),
                *([Text(interval(one), style="dim")] if wide else []),
                Text(repetitions(one)),
                Text(bar(one, 15 if wide else 11, signs)),
                words(one),
            )
        print_rich(console, table, Text(f"{summary(of_family)}{costs(of_family)}"))
    note = NOTE.replace("●", signs.mean).replace("│", signs.bound)
    print_rich(console, Text(""), Text(note))


def words(one: Judged) -> Text:
    """The claim, what it expects of which part, and what there is to say about its repetitions."""
    text = Text(printable(one.claim.claim))
    about = [one.claim.expected, *([one.part] if one.part and len(one.part) < 60 else [])]
    text.append(printable(f" ({'; '.join(about)})"), style="dim")
    if one.note:
        text.append(printable(f" [{one.note}]"), style="dim")
    for exploded in one.exploded:
        text.append(printable(f" [{exploded}]"), style="red")
    return text


def interval(one: Judged) -> str:
    """The ends of the interval; empty while it is unbounded."""
    return "" if one.low is None or one.high is None else f"{shown(one.low)} .. {shown(one.high)}"


def repetitions(one: Judged) -> str:
    """How many count, and about how many are expected to be needed."""
    return str(one.n or "-") + (f" of ~{one.expected_n}" if one.expected_n is not None else "")


def costs(judged: Sequence[Judged]) -> str:
    """How many repetitions the undecided claims are expected to need, and what a claim's would cost."""
    numbers = [one.expected_n for one in judged if one.expected_n is not None]
    seconds = [one.expected_seconds for one in judged if one.expected_seconds is not None]
    if not numbers or not seconds:
        return ""
    return (
        f" Undecided ones are expected to need {_range(*map(str, (min(numbers), max(numbers))))} repetitions,"
        f" which would take one worker {_range(*map(duration, (min(seconds), max(seconds))))} for a claim."
    )


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def bar(one: Judged, width: int, signs: Signs = SIGNS) -> str:
    """The interval as a line, the bounds across it and what was measured, in `width` characters.

    The bound, or the middle between two, is in the middle of the bar. An unbounded interval fills it.
    """
    if one.measured is None:
        return ""
    scale = (lambda x: math.log(x) if x > 0 else -math.inf) if is_ratio(one.claim) else float
    ends = [scale(value) for value in bounds(one.claim)]
    low, high = (None if end is None else scale(end) for end in (one.low, one.high))
    centre, measured = sum(ends) / len(ends), scale(one.measured)
    known = [x for x in (low, high, measured, *ends) if x is not None and math.isfinite(x)]
    half = max(abs(x - centre) for x in known) or 1.0

    def place(x: float) -> int:
        return round((max(-1.0, min(1.0, (x - centre) / half)) + 1) / 2 * (width - 1))

    first, last = (0, width - 1) if low is None or high is None else (place(low), place(high))
    cells = [signs.line if first <= at <= last and one.n else " " for at in range(width)]
    for end in ends:
        cells[place(end)] = signs.crossed if cells[place(end)] == signs.line else signs.bound
    cells[place(measured)] = signs.mean
    return "".join(cells)

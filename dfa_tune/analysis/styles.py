"""How methods are drawn, the same in every panel of a figure.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart. The line style is the rule's,
and every method has its own marker, so that a print in black and white can be read too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dfa_tune.config.method import DEFAULT_FEEDBACK
from dfa_tune.planning.sweep_results import SweepResults

# Okabe and Ito (2008), without the yellow, which is hard to see on white paper
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3)))
TITLE, SMALL = 10, 8  # points: titles of panels; legends and captions
GREY = "0.55"  # of the line at chance


@dataclass(frozen=True)
class Style:
    """How a method is drawn in every panel of a figure."""

    color: str
    linestyle: Any
    marker: str


def styles(results: SweepResults) -> dict[str, Style]:
    """A style for each method, by name, in the order of the space.

    It does not depend on how much is done, so a method looks the same before the others are there. The line
    style is the rule's, or the method's own if there is only one rule. If there are more methods than
    colours, methods that differ in their rule alone share a colour.
    """
    methods = {cell.method.name: cell.method for cell in results.plan.cells}
    rules = {name: method.rule for name, method in methods.items()}
    kinds = rules if len(set(rules.values())) > 1 else {name: name for name in rules}
    lines = dict(zip(dict.fromkeys(kinds.values()), _cycle(LINES), strict=False))
    many = len(methods) > len(COLOURS)
    same = {name: (m.optimizer, m.feedback or DEFAULT_FEEDBACK) if many else m for name, m in methods.items()}
    colours = dict(zip(dict.fromkeys(same.values()), _cycle(COLOURS), strict=False))
    return {
        name: Style(colours[same[name]], lines[kinds[name]], marker)
        for name, marker in zip(methods, _cycle(MARKERS), strict=False)
    }


def _cycle(items: Sequence[Any]) -> Iterator[Any]:
    while True:
        yield from items

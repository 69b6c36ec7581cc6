"""Repetitions that exploded: diverged, or fell back towards chance.

They are rare and far from all others, and break every test of a mean. So they are counted wherever a method's
mean is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from dfa_tune.analysis.sequential import share_interval
from dfa_tune.planning.sweep_results import SweepResults


@dataclass(frozen=True)
class Explosions:
    """In how many of n repetitions a method exploded."""

    method: str
    count: int
    n: int

    def __str__(self) -> str:
        """The share with its exact 95% interval, in words."""
        low, high = share_interval(self.count, self.n)
        return f"{self.method} exploded in {self.count} of {self.n} ({low:.0%} to {high:.0%})"


def explosions(results: SweepResults) -> list[Explosions]:
    """The methods with exploded repetitions, over all points of the axes, in the order of the space."""
    return counted([results.finals])


def counted(finals: Iterable[pd.DataFrame]) -> list[Explosions]:
    """As `explosions`, from parts of `SweepResults.finals`."""
    together = pd.concat([part[["method", "exploded"]] for part in finals], ignore_index=True)
    groups = together.groupby("method", sort=False)["exploded"]
    return [Explosions(str(name), int(part.sum()), len(part)) for name, part in groups if part.any()]

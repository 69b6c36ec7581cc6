"""How often each method is repeated: until the claims are decided, or until the intervals are narrow."""

from __future__ import annotations

from pathlib import Path

from dfa_tune.analysis.claim_evidence import FAILS, HOLDS
from dfa_tune.analysis.deciding import (
    Decision,
    claims_about,
    decide,
    other_spaces,
    repetitions,
    repetitions_for_width,
)
from dfa_tune.config.schema import HalfWidth
from dfa_tune.errors import UserError
from dfa_tune.planning.state import JUDGED, Judge, Needed
from dfa_tune.planning.sweep import Sweep
from dfa_tune.planning.sweep_results import SweepResults, load_sweep_results


def judge_of(sweep: Sweep, results: str | Path, data: str | Path | None = None) -> Judge | None:
    """What says how many repetitions the cells of `sweep` need; None where their number is fixed.

    Raises UserError where claims are to be decided and there is none about the space.
    """
    until = sweep.repetitions.until
    if isinstance(until, HalfWidth):
        return UntilNarrow(until.half_width)
    return None if until is None else UntilDecided(sweep, results, data)


class UntilDecided:
    """Asks for the next repetition of each cell that an undecided claim about the space needs.

    The results of other spaces, with which claims may compare, are read once.
    """

    def __init__(self, sweep: Sweep, results: str | Path, data: str | Path | None = None) -> None:
        self._asked = claims_about(sweep)
        if not self._asked:
            raise UserError(
                f"{sweep.name}: no claim is about this space, so there is nothing to decide; add `claims:`"
                " to it, or give `repetitions` a number or {until: {half_width: 0.01}}"
            )
        self._others = {
            name: load_sweep_results(name, results, data=data, scores_only=True, more=JUDGED)
            for name in other_spaces(self._asked, sweep)
        }

    def decisions(self, results: SweepResults) -> list[Decision]:
        """The decision on each claim, given the rows so far."""
        return decide(self._asked, results, self._others)

    def __call__(self, results: SweepResults) -> Needed:
        """How many repetitions the claims need of each cell."""
        decisions = self.decisions(results)
        undecided = [one.cells for one in decisions if not is_decided(one)]
        return Needed(repetitions(decisions), frozenset().union(*undecided), in_words(decisions))


class UntilNarrow:
    """Asks for the next repetition of each cell whose mean final accuracy is not known to +- `half_width`."""

    def __init__(self, half_width: float) -> None:
        self._half_width = half_width

    def __call__(self, results: SweepResults) -> Needed:
        """How many repetitions each cell needs."""
        wanted = repetitions_for_width(results, self._half_width)
        done = results.finals.groupby("cell").size().to_dict()
        wide = frozenset(cell for cell, count in wanted.items() if count > done.get(cell, 0))
        narrow = len(wanted) - len(wide)
        return Needed(wanted, wide, f"{narrow} of {len(wanted)} means known to +- {self._half_width:g}")


def is_decided(decision: Decision) -> bool:
    """Whether the claim holds or does not hold."""
    return decision.verdict in (HOLDS, FAILS)


def in_words(decisions: list[Decision]) -> str:
    """ "2 of 3 claims decided"."""
    claims = "claim" if len(decisions) == 1 else "claims"
    return f"{sum(map(is_decided, decisions))} of {len(decisions)} {claims} decided"

"""Verdicts: what was measured for each claim and how it was tested, corrected for the number of claims."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dfa_tune.analysis.claim_evidence import FAILS, HOLDS, NOT_RUN, UNDECIDED, Evidence, evidence
from dfa_tune.analysis.claim_values import ClaimValues
from dfa_tune.analysis.explosions import Explosions, counted
from dfa_tune.analysis.statistics import holm
from dfa_tune.config.claims import AnyClaim
from dfa_tune.planning.claim_cells import term_cells, terms
from dfa_tune.planning.sweep_results import SweepResults

THESIS = "the thesis"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim with what was measured and the verdict.

    family: whose claims were corrected together with it
    measured, low, high: the mean of the weakest combination that the claim is about, which `part` names, and
        its confidence sequence, which is not corrected: 5% a side, None while unbounded
    n: the repetitions that count
    p_holds, p_fails: the p-values of the claim and of its opposite, corrected for the number of claims; None
        where nothing is tested
    expected_n: about how many repetitions decide it, if effects and spread stay as they are; None where that
        cannot be said, or is above a thousand. `expected_seconds`: how long the further ones take one worker
    exploded: the methods with exploded repetitions, which break every t test
    note: why the claim is not run, where that is not plain
    """

    claim: AnyClaim
    family: str = THESIS
    part: str = ""
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    p_holds: float | None = None
    p_fails: float | None = None
    verdict: str = NOT_RUN
    expected_n: int | None = None
    expected_seconds: float | None = None
    exploded: tuple[Explosions, ...] = ()
    note: str = ""
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    def row(self) -> dict[str, Any]:
        """The row of `dfa-tune verify --json`, without NaN."""
        return {
            "id": self.claim.id,
            "claim": self.claim.claim,
            "source": self.claim.source,
            "expected": self.claim.expected,
            "measured": self.measured,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "verdict": self.verdict,
            "p_holds": self.p_holds,
            "p_fails": self.p_fails,
            "expected_n": self.expected_n,
            "expected_seconds": self.expected_seconds,
            "exploded": "; ".join(map(str, self.exploded)) or None,
            "family": self.family,
        }


def judge(
    claims: Sequence[AnyClaim], known: Mapping[str, SweepResults], family: str = THESIS
) -> list[Judged]:
    """The verdict on each claim, in order, by the results of their spaces."""
    return judge_each(claims, [ClaimValues(known)] * len(claims), family)


def judge_each(claims: Sequence[AnyClaim], values: Sequence[ClaimValues], family: str) -> list[Judged]:
    """The verdict on each claim, in order.

    P-values have Holm's correction over all claims; one that is not run yet, or never tested, counts with 1,
    so that no verdict is taken back when more is run. So the probability that any claim is ever wrongly said
    to hold is at most LEVEL, and that any is ever wrongly said not to hold as well: together at most twice
    that. This is so however often one looks, after whichever repetitions.
    """
    found = [evidence(claim, source) for claim, source in zip(claims, values, strict=True)]
    holds = holm([float(one.p_holds[-1]) if one.tested else 1.0 for one in found])
    fails = holm([float(one.p_fails[-1]) if one.tested else 1.0 for one in found])
    return [
        _judged(one, source, family, p_holds, p_fails, len(found))
        for one, source, p_holds, p_fails in zip(found, values, holds, fails, strict=True)
    ]


def summary(judged: Sequence[Judged]) -> str:
    """How many claims hold, do not hold, are undecided, or are not run."""
    counts = Counter(one.verdict for one in judged)
    one = {HOLDS: "holds", FAILS: "does not hold", UNDECIDED: "is undecided", NOT_RUN: "is not run"}
    several = {HOLDS: "hold", FAILS: "do not hold", UNDECIDED: "are undecided", NOT_RUN: "are not run"}
    found = [(counts[verdict], verdict) for verdict in one if counts[verdict]]
    listed = [f"{count} {one[verdict] if count == 1 else several[verdict]}" for count, verdict in found]
    return f"Of {len(judged)} {'claim' if len(judged) == 1 else 'claims'} {', '.join(listed)}."


def shown(value: float | None) -> str:
    """A measured value with three decimals; a small one with two digits, a large one without decimals."""
    if value is None or not math.isfinite(value):
        return "-"
    if 0 < abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


def _judged(
    found: Evidence,
    values: ClaimValues,
    family: str,
    p_holds: float,
    p_fails: float,
    claims: int,
) -> Judged:
    low, high = (float(bound[-1]) if len(bound) else math.inf for bound in (found.low, found.high))
    bounded = math.isfinite(high)
    judged = Judged(
        claim=found.claim,
        family=family,
        part=found.part,
        measured=found.measured if found.measured is None or math.isfinite(found.measured) else None,
        low=low if bounded else None,
        high=high if bounded else None,
        n=found.n,
        verdict=found.settled or NOT_RUN,
        exploded=_explosions(found.claim, values),
        evidence=found,
    )
    if not found.tested:
        return judged
    verdict = found.verdict(p_holds, p_fails)
    judged = replace(judged, p_holds=p_holds, p_fails=p_fails, verdict=verdict)
    expected = found.expected_n(claims) if judged.verdict == UNDECIDED else None
    if expected is None:
        return judged
    return replace(judged, expected_n=expected, expected_seconds=_seconds(found, values, expected - found.n))


def _seconds(found: Evidence, values: ClaimValues, more: int) -> float | None:
    """How long so many further repetitions of the claim's cells take one worker; None where it is unknown."""
    cells = {
        (space, index)
        for term in terms(found.claim)
        if term.method is not None
        for space in [term.space or found.claim.space]
        for index, _ in term_cells(values.known[space].plan, term)
    }
    each = sum(values.known[space].repeat_seconds.get(index, 0.0) for space, index in cells)
    return more * each if each > 0 else None


def _explosions(claim: AnyClaim, values: ClaimValues) -> tuple[Explosions, ...]:
    """The methods of the claim with exploded repetitions among those that count, over all of its cells."""
    seeds = values.seeds(claim)
    cells: dict[str, set[int]] = {}
    for term in terms(claim) if seeds else ():
        if term.method is not None:
            space = term.space or claim.space
            own = term_cells(values.known[space].plan, term)
            cells.setdefault(space, set()).update(index for index, _ in own)
    parts = [
        finals[finals["cell"].isin(list(own)) & finals["seed"].isin(seeds)]
        for space, own in cells.items()
        for finals in [values.known[space].finals]
    ]
    return tuple(counted(parts)) if parts else ()

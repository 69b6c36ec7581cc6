"""Claims judged: what was measured, how it was tested, and the verdict, corrected for their number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dfa_tune.analysis import extras
from dfa_tune.analysis.claim_evidence import (
    FAILS,
    HOLDS,
    LEVEL,
    NOT_RUN,
    UNDECIDED,
    Evidence,
    evidence,
)
from dfa_tune.analysis.claim_values import ClaimValues
from dfa_tune.analysis.explosions import Explosions, counted
from dfa_tune.analysis.statistics import holm
from dfa_tune.config.claims import AnyClaim, load_claims
from dfa_tune.errors import UserError
from dfa_tune.planning.claim_cells import term_cells, terms
from dfa_tune.planning.claim_check import check
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import Sweep, load_sweep, space_names
from dfa_tune.planning.sweep_results import SweepResults, load_sweep_results
from dfa_tune.results.store import Store

__all__ = ["FAILS", "HOLDS", "LEVEL", "NOT_RUN", "UNDECIDED", "Judged", "judge", "summary", "verify"]
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


def verify(
    results: str | Path,
    *,
    spaces: Sequence[str] = (),
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    claims: Path | None = None,
) -> list[Judged]:
    """The verdicts on the thesis' claims, or those about `spaces` (names, or paths of YAML files).

    A space's own claims are a family of their own, judged where the space is named. The claims of the file
    `claims` are one too, and the only ones that are judged then. Within a family p-values are corrected for
    the number of all claims, whichever are shown, so all of them are evaluated. `overrides` change the spaces
    of what is shown.

    A variant of a figure's space takes its place. Conditions are not mixed: a claim about several spaces
    needs a variant of each, and is not run otherwise. Raises UserError if no claim is about a space, or if a
    claim is about what its space does not have.
    """
    named = [load_sweep(space, overrides=overrides, results=results) for space in spaces]
    about, read = load_claims(claims), _Reader(results, data)
    names = set[str]().union(*(claim.spaces for claim in about))
    given = _standing_in(named, names, by_name=claims is not None)
    for sweep in named:
        if not (sweep.claims and claims is None) and sweep not in given.values():
            raise UserError(
                f"no claim is about {sweep.name}; valid: {', '.join(sorted(names))},"
                " a space that says `variant_of:` one of them, or a space with `claims:` of its own"
            )
    plans = {name: Plan(load_sweep(name)) for name in sorted(names & set(space_names()))}
    if claims is not None:
        plans |= {sweep.name: Plan(load_sweep(space)) for sweep, space in zip(named, spaces, strict=True)}
    check(about, plans, names=space_names(), where="" if claims is None else f"{claims}: ")
    wanted = [claim for claim in about if not named or claim.spaces & given.keys()]
    judged = []
    if wanted:
        changed = set[str]().union(*(claim.spaces for claim in wanted))
        variants = {name: sweep for name, sweep in given.items() if sweep.name != name}
        others = {
            name: given.get(name)
            or load_sweep(name, overrides=overrides if name in changed else (), results=results)
            for name in sorted(names - variants.keys())
        }
        of_variants = ClaimValues({name: read(sweep) for name, sweep in variants.items()})
        of_others = ClaimValues({name: read(sweep) for name, sweep in others.items()})
        values = [of_variants if claim.spaces & variants.keys() else of_others for claim in about]
        family = judge_each(about, values, THESIS if claims is None else str(claims))
        judged = [_with_reason(one, variants) for one in family if one.claim in wanted]
    for sweep in named if claims is None else ():
        bundled = [load_sweep(name, results=results) for name in _bundled(sweep)]
        known = {other.name: other for other in (*bundled, *named, sweep)}
        judged += judge(sweep.claims, {name: read(known[name]) for name in _spaces(sweep)}, sweep.name)
    return judged


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


def gather(sweep: Sweep, results: str | Path, data: str | Path | None = None) -> SweepResults:
    """The results of one space under `results`, with the extra table of its figure."""
    found = load_sweep_results(sweep, results, data=data)
    return replace(found, extra=extras.kept(found, Store(results, sweep.name)))


class _Reader:
    """Reads the results of spaces, each once."""

    def __init__(self, results: str | Path, data: str | Path | None) -> None:
        self._results, self._data = results, data
        self._read: dict[tuple[str, str], SweepResults] = {}

    def __call__(self, sweep: Sweep) -> SweepResults:
        key = (sweep.name, sweep.text)
        if key not in self._read:
            self._read[key] = gather(sweep, self._results, self._data)
        return self._read[key]


def _standing_in(named: Sequence[Sweep], names: set[str], by_name: bool) -> dict[str, Sweep]:
    """The named sweeps by the name under which claims know them: that of their figure, or their own."""
    given: dict[str, Sweep] = {}
    for sweep in named:
        known_as = sweep.name if by_name and sweep.name in names else sweep.figure_name
        if known_as is None or known_as not in names:
            continue
        if known_as in given and given[known_as] != sweep:
            raise UserError(
                f"{given[known_as].name} and {sweep.name} both stand for {known_as} in its claims;"
                " valid: one of them at a time"
            )
        given[known_as] = sweep
    return given


def _spaces(sweep: Sweep) -> set[str]:
    return set[str]().union(*(claim.spaces for claim in sweep.claims))


def _bundled(sweep: Sweep) -> list[str]:
    """The bundled spaces that the space's own claims are about too."""
    return sorted((_spaces(sweep) - {sweep.name}) & set(space_names()))


def _with_reason(one: Judged, variants: Mapping[str, Sweep]) -> Judged:
    """A claim that is not run says so where variants of some of its spaces are missing."""
    missing = sorted(one.claim.spaces - variants.keys())
    if not missing or not one.claim.spaces & variants.keys():
        return one
    return replace(one, note=f"needs a variant of {', '.join(missing)} too: conditions are not mixed")


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

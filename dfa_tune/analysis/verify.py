"""Claims judged: what was measured, how it was tested, and the verdict, corrected for their number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from dfa_tune.analysis import extras
from dfa_tune.analysis.claim_check import check
from dfa_tune.analysis.claim_values import combined, term_cells, values
from dfa_tune.analysis.statistics import holm, p_above, p_within, spread_ratio, t_interval
from dfa_tune.config.claims import AnyClaim, Combination, Mean, RatesRatio, Some, Spread, Term, load_claims
from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import Sweep, load_sweep, space_names
from dfa_tune.planning.sweep_results import SweepResults, load_sweep_results
from dfa_tune.results.store import Store

LEVEL = 0.05  # of the corrected p-values
HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "undecided", "not run"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim with what was measured and the verdict.

    `measured` and its 95% interval are those of the weakest combination that the claim is about, which `part`
    names. `p_holds` and `p_fails` are the p-values of the claim and of its opposite, corrected for the number
    of claims; both are None where nothing is tested.
    """

    claim: AnyClaim
    part: str = ""
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    p_holds: float | None = None
    p_fails: float | None = None
    verdict: str = NOT_RUN

    def row(self) -> dict[str, Any]:
        """The row of `dfa-tune verify --json`, without NaN."""
        numbers = {"measured": self.measured, "low": self.low, "high": self.high}
        return {
            "id": self.claim.id,
            "claim": self.claim.claim,
            "source": self.claim.source,
            "expected": self.claim.expected,
            **{k: v if v is not None and math.isfinite(v) else None for k, v in numbers.items()},
            "n": self.n,
            "verdict": self.verdict,
        }


def verify(
    results: str | Path,
    *,
    spaces: Sequence[str] = (),
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    claims: Sequence[AnyClaim] | None = None,
) -> list[Judged]:
    """The verdicts on all claims, or on those about one of `spaces` (names, or paths of YAML files).

    A space that is a variant of fig_3_4 takes its place; `overrides` change the spaces of what is shown.
    P-values are corrected for the number of all claims, whichever are shown, so all of them are evaluated.
    Raises UserError if no claim is about a space, or if a claim is about what its space does not have.
    """
    claims = load_claims() if claims is None else claims
    names = sorted(set[str]().union(*(claim.spaces for claim in claims)))
    given: dict[str, Sweep] = {}
    for space in spaces:
        sweep = load_sweep(space, overrides=overrides, results=results)
        if (original := sweep.figure_name) is None or original not in names:
            raise UserError(
                f"no claim is about {sweep.name}; valid: {', '.join(names)},"
                " or a space that says `variant_of:` one of them"
            )
        given[original] = sweep
    shown = [claim for claim in claims if not given or claim.spaces & given.keys()]
    changed = set[str]().union(*(claim.spaces for claim in shown))

    def sweep_of(name: str) -> Sweep:
        changes = overrides if name in changed else ()
        return given.get(name) or load_sweep(name, overrides=changes, results=results)

    check(claims, {name: Plan(load_sweep(name)) for name in names if name in space_names()})
    known = {name: gather(sweep_of(name), results, data) for name in names}
    return [one for one in judge(claims, known) if one.claim in shown]


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


def judge(claims: Sequence[AnyClaim], known: Mapping[str, SweepResults]) -> list[Judged]:
    """The verdict on each claim, in order.

    P-values have Holm's correction over the claims that could be tested. So the probability that any claim is
    wrongly said to hold is at most LEVEL, and the probability that any is wrongly said not to hold as well.
    """
    measured = [MEASURES[claim.kind](claim, known) for claim in claims]
    tested = [i for i, one in enumerate(measured) if one.p_holds is not None and one.p_fails is not None]
    holds = holm([float(measured[i].p_holds or 0.0) for i in tested])
    fails = holm([float(measured[i].p_fails or 0.0) for i in tested])
    for index, p_holds, p_fails in zip(tested, holds, fails, strict=True):
        verdict = HOLDS if p_holds < LEVEL else FAILS if p_fails < LEVEL else UNDECIDED
        measured[index] = replace(measured[index], p_holds=p_holds, p_fails=p_fails, verdict=verdict)
    return measured


def _mean(claim: Mean, known: Mapping[str, SweepResults]) -> Judged:
    """All parts must hold, so the largest p-value is that of the claim; one part that fails refutes it."""
    parts = _parts(claim, known)
    if parts is None:
        return Judged(claim=claim)
    tests = {label: _test(claim, sample) for label, sample in parts.items()}
    label = max(parts, key=lambda part: (tests[part][0], -_slack(claim, parts[part])))
    interval = t_interval(parts[label])
    n = min(map(len, parts.values()))
    found = Judged(claim=claim, part=label, measured=interval.mean, low=interval.low, high=interval.high, n=n)
    if n < 2:
        return replace(found, verdict=UNDECIDED)
    # The intersection-union test for the claim, Bonferroni's for its opposite
    p_fails = min(1.0, len(parts) * min(fails for _, fails in tests.values()))
    return replace(found, p_holds=tests[label][0], p_fails=p_fails)


def _parts(claim: Combination, known: Mapping[str, SweepResults]) -> dict[str, list[float]] | None:
    """The values of each combination; None if one of them has none."""
    found = {label: _sample(terms, claim.space, known) for label, terms in claim.parts()}
    return found if all(found.values()) else None


def _sample(terms: list[Term], space: str, known: Mapping[str, SweepResults]) -> list[float]:
    total: pd.Series = combined([(term.weight, values(known[term.space or space], term)) for term in terms])
    return [float(value) for value in total]


def _test(claim: Mean, sample: list[float]) -> tuple[float, float]:
    """The p-values that one combination holds and that it fails; both are 1 for a single value."""
    if claim.near is not None and claim.within is not None:
        return p_within(sample, claim.near, claim.within) or (1.0, 1.0)
    above = p_above(sample, float(claim.above if claim.above is not None else claim.below or 0.0))
    if above is None:
        return 1.0, 1.0
    return (above, 1 - above) if claim.above is not None else (1 - above, above)


def _slack(claim: Mean, sample: list[float]) -> float:
    """How far the mean lies on the claimed side of the bound."""
    mean = sum(sample) / len(sample)
    if claim.near is not None and claim.within is not None:
        return claim.within - abs(mean - claim.near)
    return mean - claim.above if claim.above is not None else float(claim.below or 0.0) - mean


def _some(claim: Some, known: Mapping[str, SweepResults]) -> Judged:
    parts = _parts(claim, known)
    if parts is None:
        return Judged(claim=claim)
    label = max(parts, key=lambda part: max(parts[part]))
    highest = max(parts[label])
    n = min(map(len, parts.values()))
    verdict = HOLDS if highest > claim.above else FAILS
    return Judged(claim=claim, part=label, measured=highest, n=n, verdict=verdict)


def _spread(claim: Spread, known: Mapping[str, SweepResults]) -> Judged:
    over, under = (
        [_sample([Term(method=method, at=claim.at)], claim.space, known) for method in methods]
        for methods in (claim.of, claim.over)
    )
    if not all([*over, *under]):
        return Judged(claim=claim)
    n, ratio = min(map(len, [*over, *under])), spread_ratio(over, under)
    if ratio is None:
        return Judged(claim=claim, n=n, verdict=UNDECIDED)
    return Judged(
        claim=claim,
        measured=ratio.ratio,
        low=ratio.low,
        high=ratio.high,
        n=n,
        p_holds=ratio.p,
        p_fails=1 - ratio.p,
    )


def _rates(claim: RatesRatio, known: Mapping[str, SweepResults]) -> Judged:
    """Each rate comes from one tuning, so there is nothing to test."""
    results = known[claim.space]
    rates: dict[str, float] = {}
    for method in claim.methods:
        for _, cell in term_cells(results, Term(method=method, at=claim.at)):
            if (choice := cell.choice(results.scores)) is not None:
                rates[method] = choice.learning_rate
    if set(rates) != set(claim.methods):
        return Judged(claim=claim)
    ratio = max(rates.values()) / min(rates.values())
    part = ", ".join(f"{name}: {rate:.2g}" for name, rate in rates.items())
    verdict = HOLDS if ratio >= claim.ratio else FAILS
    return Judged(claim=claim, part=part, measured=ratio, n=1, verdict=verdict)


MEASURES: dict[str, Callable[[Any, Mapping[str, SweepResults]], Judged]] = {
    "mean": _mean,
    "some": _some,
    "spread": _spread,
    "rates": _rates,
}

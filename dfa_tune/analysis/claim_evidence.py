"""What the repetitions say about one claim: its running p-values and its confidence sequence.

Everything is given after each repetition that counts, so the last entry is what is known now. Nothing is
corrected here for the number of claims. `sequential` has the statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dfa_tune.analysis.claim_values import ClaimValues, Floats
from dfa_tune.analysis.sequential import (
    confidence_sequence,
    expected_repetitions,
    p_any,
    p_each,
    paired_log_spread,
    running_p,
    running_p_rare,
    running_p_within,
    share_interval,
)
from dfa_tune.config.claims import AnyClaim, Mean, RatesRatio, Some, Spread, Term
from dfa_tune.planning.claim_cells import term_cells

LEVEL = 0.05  # of p-values that are corrected for the number of claims
RARE = 0.1  # a share of repetitions that is refuted where "in some repetition" does not hold
HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "undecided", "not run"
NONE: Floats = np.empty(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """The evidence for and against one claim.

    part: the weakest of the combinations that the claim is about, in words; "" where there is one
    n: repetitions that count and have a number
    measured: the mean of that part; for `some` the share of repetitions in which it was seen; for `spread`
        the ratio of the spreads; for `rates` the ratio of the rates
    means: `measured` after each repetition, (n,)
    low, high: the confidence sequence of `measured`, (n,), 5% a side; infinite while it is unbounded. For
        `some` the exact 95% interval of the share
    p_holds, p_fails: running p-values, (n,): that the claim is true, and that its opposite is
    settled: the verdict of a claim that is not tested but seen, as learning rates are; None for all others
    needed: about how many repetitions bring a p-value below a level, if effects and spread stay as they are;
        None where nothing can be said, or where it is above a thousand
    """

    claim: AnyClaim
    part: str = ""
    n: int = 0
    measured: float | None = None
    means: Floats = field(default_factory=NONE.copy)
    low: Floats = field(default_factory=NONE.copy)
    high: Floats = field(default_factory=NONE.copy)
    p_holds: Floats = field(default_factory=NONE.copy)
    p_fails: Floats = field(default_factory=NONE.copy)
    settled: str | None = None
    needed: Callable[[float], int | None] = lambda level: None

    @property
    def tested(self) -> bool:
        """Whether there are p-values."""
        return len(self.p_holds) > 0

    def verdict(self, p_holds: float, p_fails: float) -> str:
        """The verdict, given p-values that are corrected for the number of claims."""
        return HOLDS if p_holds <= LEVEL else FAILS if p_fails <= LEVEL else UNDECIDED

    def decided_alone(self, family: int) -> str:
        """The verdict by p-values times the number of the family's claims, which needs no other claim's."""
        if not self.tested:
            return self.settled or NOT_RUN
        return self.verdict(family * float(self.p_holds[-1]), family * float(self.p_fails[-1]))

    def expected_n(self, family: int) -> int | None:
        """About how many repetitions decide the claim among so many; None where that cannot be said."""
        number = self.needed(LEVEL / family)
        return None if number is None else max(number, self.n + 1)


def evidence(claim: AnyClaim, values: ClaimValues) -> Evidence:
    """What the results say about the claim."""
    return MEASURES[claim.kind](claim, values)


def bounds(claim: AnyClaim) -> tuple[float, ...]:
    """The values of `measured` at which the claim would begin to be true or cease to be: one or two."""
    if isinstance(claim, Mean):
        if claim.near is not None and claim.within is not None:
            return (claim.near - claim.within, claim.near + claim.within)
        return (claim.above if claim.above is not None else claim.below or 0.0,)
    return ({"some": RARE, "spread": 1.0}.get(claim.kind, getattr(claim, "ratio", 1.0)),)


def is_ratio(claim: AnyClaim) -> bool:
    """Whether `measured` is a ratio, which pictures show on a logarithmic scale."""
    return isinstance(claim, Spread | RatesRatio)


def sequence(sample: Floats, alpha: float = LEVEL) -> tuple[Floats, Floats]:
    """The confidence sequence after each repetition; one without a number changes nothing."""
    present = np.isfinite(sample)
    found, place = confidence_sequence(sample[present], alpha), np.cumsum(present)
    return (
        np.concatenate([[-math.inf], found.low])[place],
        np.concatenate([[math.inf], found.high])[place],
    )


def _mean(claim: Mean, values: ClaimValues) -> Evidence:
    """All parts must hold; one part that fails refutes the claim."""
    samples = _parts(claim, values)
    if not samples:
        return Evidence(claim=claim)
    tests = {label: _tests(claim, sample) for label, sample in samples.items()}
    # The intersection-union test for the claim, Bonferroni's for its opposite
    p_holds = p_each([holds for holds, _ in tests.values()])
    p_fails = p_any([fails for _, fails in tests.values()])
    label = max(samples, key=lambda part: (tests[part][0][-1], -_slack(claim, samples[part])))
    low, high = sequence(samples[label])
    return Evidence(
        claim=claim,
        part=label,
        n=min(map(_count, samples.values())),
        measured=_average(samples[label]),
        means=_means(samples[label]),
        low=low,
        high=high,
        p_holds=p_holds,
        p_fails=p_fails,
        needed=_needed(
            [_slack(claim, sample) / _sd(sample) for sample in samples.values()],
            alternatives=len(samples) * (1 if claim.near is None else 2),
        ),
    )


def _some(claim: Some, values: ClaimValues) -> Evidence:
    """Seen once, in whichever part, it holds; seen never, its share is tested to be below RARE."""
    samples = _parts(claim, values)
    if not samples:
        return Evidence(claim=claim)
    highest = {label: float(np.nanmax(sample, initial=-math.inf)) for label, sample in samples.items()}
    label = max(highest, key=lambda part: highest[part])
    seen = np.any([sample > claim.above for sample in samples.values()], axis=0)  # NaN: not seen
    counts = np.cumsum(seen)
    intervals = [share_interval(int(count), n) for n, count in enumerate(counts, start=1)]
    count = f"seen in {counts[-1]} of {len(seen)}, at most {highest[label]:.3g}"
    return Evidence(
        claim=claim,
        part=f"{count} with {label}" if label else count,
        n=len(seen),
        measured=float(counts[-1] / len(seen)),
        means=counts / np.arange(1, len(seen) + 1),
        low=np.array([low for low, _ in intervals]),
        high=np.array([high for _, high in intervals]),
        p_holds=np.where(counts > 0, 0.0, 1.0),
        p_fails=running_p_rare(seen, RARE),
        needed=_never_seen,
    )


def _spread(claim: Spread, values: ClaimValues) -> Evidence:
    """The difference of the mean log spreads, over consecutive pairs of repetitions, tested against 0."""
    seeds = values.seeds(claim)
    if not seeds:
        return Evidence(claim=claim)
    results = values.known[claim.space]
    methods = {
        name: values.sample(claim, [Term(method=name, at=claim.at)], seeds)
        for name in (*claim.of, *claim.over)
    }
    ((_, cell), *_) = term_cells(results.plan, Term(method=claim.of[0], at=claim.at))
    problem = cell.base.problem
    smallest = 0.5 / (problem.final_test_samples or problem.test_samples or 1)
    logs = paired_log_spread([methods[name] for name in claim.of], smallest) - paired_log_spread(
        [methods[name] for name in claim.over], smallest
    )
    low, high = sequence(logs)
    in_pairs = _needed([_average(logs) / _sd(logs)])
    place = np.arange(1, len(seeds) + 1) // 2  # pairs that are complete after each repetition
    return Evidence(
        claim=claim,
        n=2 * _count(logs) if len(seeds) > 1 else len(seeds),
        measured=float(np.exp(_average(logs))) if _count(logs) else None,
        means=np.exp(np.concatenate([[math.nan], _means(logs)])[place]),
        low=np.exp(np.concatenate([[-math.inf], low])[place]),
        high=np.exp(np.concatenate([[math.inf], high])[place]),
        p_holds=np.concatenate([[1.0], _running(logs, running_p)])[place],
        p_fails=np.concatenate([[1.0], _running(-logs, running_p)])[place],
        needed=lambda level: None if (pairs := in_pairs(level)) is None else 2 * pairs,
    )


def _rates(claim: RatesRatio, values: ClaimValues) -> Evidence:
    """Each rate comes from one tuning, so there is nothing to test."""
    if claim.space not in values.known:
        return Evidence(claim=claim)
    results, rates = values.known[claim.space], dict[str, float]()
    for method in claim.methods:
        for _, cell in term_cells(results.plan, Term(method=method, at=claim.at)):
            if (choice := cell.choice(results.scores)) is not None:
                rates[method] = choice.learning_rate
    if set(rates) != set(claim.methods):
        return Evidence(claim=claim)
    ratio = max(rates.values()) / min(rates.values())
    return Evidence(
        claim=claim,
        part=", ".join(f"{name}: {rate:.2g}" for name, rate in rates.items()),
        n=1,
        measured=ratio,
        settled=HOLDS if ratio >= claim.ratio else FAILS,
    )


MEASURES: Mapping[str, Callable[[Any, ClaimValues], Evidence]] = {
    "mean": _mean,
    "some": _some,
    "spread": _spread,
    "rates": _rates,
}


def _parts(claim: Mean | Some, values: ClaimValues) -> dict[str, Floats]:
    """The values of each combination for the repetitions that count; empty if none does."""
    seeds = values.seeds(claim)
    return {label: values.sample(claim, part, seeds) for label, part in claim.parts()} if seeds else {}


def _tests(claim: Mean, sample: Floats) -> tuple[Floats, Floats]:
    """The running p-values that one combination holds, and that it fails."""
    if claim.near is not None and claim.within is not None:
        near, within = claim.near, claim.within
        return (
            _running(sample, lambda x: running_p_within(x, near, within)[0]),
            _running(sample, lambda x: running_p_within(x, near, within)[1]),
        )
    sign, bound = (1, claim.above) if claim.above is not None else (-1, claim.below or 0.0)
    return (
        _running(sign * sample, lambda x: running_p(x, sign * bound)),
        _running(-sign * sample, lambda x: running_p(x, -sign * bound)),
    )


def _slack(claim: Mean, sample: Floats) -> float:
    """How far the mean lies on the claimed side of the bound; negative on the other side."""
    mean = _average(sample)
    if claim.near is not None and claim.within is not None:
        return claim.within - abs(mean - claim.near)
    return mean - claim.above if claim.above is not None else float(claim.below or 0.0) - mean


def _needed(effects: Sequence[float], alternatives: int = 1) -> Callable[[float], int | None]:
    """`Evidence.needed` of parts whose means lie so many standard deviations on the claimed side.

    alternatives: the number of tests of the opposite, of which the smallest p-value is taken
    """

    def needed(level: float) -> int | None:
        if not all(map(math.isfinite, effects)):
            return None
        if min(effects) <= 0:
            return expected_repetitions(-min(effects), level / alternatives)
        numbers = [expected_repetitions(effect, level) for effect in effects]  # the slowest part decides
        return max(known) if len(known := [n for n in numbers if n is not None]) == len(numbers) else None

    return needed


def _never_seen(level: float) -> int | None:
    """About how many repetitions refute a share of RARE, if it is seen in none."""
    decided = running_p_rare(np.zeros(1000, dtype=bool), RARE) <= level
    return int(decided.argmax()) + 1 if decided.any() else None


def _running(sample: Floats, test: Callable[[Floats], Floats]) -> Floats:
    """A running p-value after each repetition; one without a number changes nothing."""
    present = np.isfinite(sample)
    return np.asarray(np.concatenate([[1.0], test(sample[present])])[np.cumsum(present)])


def _means(sample: Floats) -> Floats:
    """The mean after each repetition; one without a number changes nothing."""
    present = np.isfinite(sample)
    counts = np.cumsum(present)
    return np.where(counts > 0, np.cumsum(np.where(present, sample, 0.0)) / np.maximum(counts, 1), math.nan)


def _count(sample: Floats) -> int:
    return int(np.isfinite(sample).sum())


def _average(sample: Floats) -> float:
    return float(np.mean(sample[np.isfinite(sample)])) if _count(sample) else math.nan


def _sd(sample: Floats) -> float:
    """The standard deviation; NaN for a single value, and close to 0 for equal values."""
    if _count(sample) < 2:
        return math.nan
    return max(float(np.std(sample[np.isfinite(sample)], ddof=1)), 1e-150)

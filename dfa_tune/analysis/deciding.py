"""Which claims about a search space are decided, and how many repetitions each cell needs until all are.

Pure functions of results. Runs call them after each repetition that ends, so they read no files:

    asked = claims_about(sweep)
    others = {name: load_sweep_results(name, results) for name in other_spaces(asked, sweep)}
    decisions = decide(asked, SweepResults(plan, rows), others)
    wanted = repetitions(decisions)  # {index into plan.cells: number of repetitions}

What a cell needs depends on nothing but the numbers of the repetitions: not on the order in which they
ended, nor on which run trained them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dfa_tune.analysis.claim_evidence import (
    FAILS,
    HOLDS,
    LEVEL,
    NOT_RUN,
    UNDECIDED,
    Evidence,
    evidence,
    sequence,
)
from dfa_tune.analysis.claim_values import ClaimValues, leading
from dfa_tune.config.claims import AnyClaim, Term, load_claims
from dfa_tune.planning.claim_cells import term_cells, terms
from dfa_tune.planning.sweep import Sweep
from dfa_tune.planning.sweep_results import SweepResults

AHEAD = 5  # repetitions that a claim may ask for beyond those of another space


@dataclass(frozen=True)
class Asked:
    """A claim about a space, and the number of claims that are corrected together with it.

    `space` is the name under which the claim knows the space: that of the figure if it is a variant of one.
    """

    claim: AnyClaim
    family: int
    space: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the repetitions so far say about a claim.

    verdict: one of HOLDS, FAILS, UNDECIDED and NOT_RUN; a claim is decided once a p-value times the number of
        its family's claims is at most LEVEL. Later repetitions do not change that.
    n: the repetitions that count: repetition r counts if all cells of the claim have it, in the other spaces
        too, and all before it
    cells: the cells of this space that the claim needs, as indices into `plan.cells`; empty if repetitions
        cannot decide it (it is about learning rates, about a figure's extra table, or about what `--set` or
        `--method` has removed)
    wanted: the number of repetitions that it needs of each of its cells before it can be judged again; the
        one that comes after those that they have, but at most AHEAD more than the other spaces have. If the
        claim is decided, those that decided it.
    waits_for: other spaces that have fewer repetitions than this one, so that the claim waits for them
    expected_n: about how many repetitions decide it, if effects and spread stay as they are; None where that
        cannot be said
    """

    claim: AnyClaim
    verdict: str
    n: int = 0
    cells: frozenset[int] = field(default_factory=frozenset)
    wanted: int = 0
    waits_for: tuple[str, ...] = ()
    expected_n: int | None = None

    @property
    def steers(self) -> bool:
        """Whether repetitions of this space are asked for by this claim, until it is decided."""
        return bool(self.cells)


def claims_about(sweep: Sweep) -> list[Asked]:
    """The claims of the space's own, and the thesis' if it is one of its figures or a variant of one."""
    own = [Asked(claim, len(sweep.claims), sweep.name) for claim in sweep.claims]
    if (figure := sweep.figure_name) is None:
        return own
    thesis = load_claims()
    return own + [Asked(claim, len(thesis), figure) for claim in thesis if figure in claim.spaces]


def other_spaces(asked: Iterable[Asked], sweep: Sweep) -> list[str]:
    """The names of the other spaces whose results the claims need.

    A variant of a figure needs none: conditions are not mixed, so its claims about several spaces wait until
    `verify` is given a variant of each.
    """
    return sorted(
        {name for one in asked if not _mixed(one, sweep) for name in one.claim.spaces - {one.space}}
    )


def decide(
    asked: Sequence[Asked], results: SweepResults, others: Mapping[str, SweepResults]
) -> list[Decision]:
    """The decision on each claim, in order.

    results: of the space, as far as they go. Of its rows these columns are read: trial_id, stage, seed,
        learning_rate, epoch, diverged, stopped, the accuracies, and the metrics that claims are about
    others: by name, the results of the spaces in `other_spaces`; one that is missing counts as not run
    """
    sweep = results.sweep
    known = {
        name: ClaimValues({**others, name: results})
        for name in dict.fromkeys(one.space for one in asked if not _mixed(one, sweep))
    }
    return [
        Decision(claim=one.claim, verdict=NOT_RUN) if _mixed(one, sweep) else _decision(one, known[one.space])
        for one in asked
    ]


def _mixed(asked: Asked, sweep: Sweep) -> bool:
    """Whether the claim is about other spaces too, in which the space is not that of the figure itself."""
    return asked.space != sweep.name and len(asked.claim.spaces) > 1


def _decision(asked: Asked, values: ClaimValues) -> Decision:
    claim, results = asked.claim, values.known[asked.space]
    found = evidence(claim, values)
    verdict, n = found.decided_alone(asked.family), len(values.seeds(claim))
    by_space: dict[str, list[Term]] = {name: [] for name in sorted(claim.spaces | {asked.space})}
    for term in terms(claim):
        by_space[term.space or claim.space].append(term)
    own = by_space.pop(asked.space)
    cells = [term_cells(results.plan, term) for term in own if term.method is not None]
    if claim.kind == "rates" or any(term.probe for term in terms(claim)) or not all(cells):
        return Decision(claim=claim, verdict=verdict, n=n)  # repetitions cannot decide it
    order = results.sweep.repetition_seeds
    here = len(leading(order, [values.done(claim, term) for term in own]))
    elsewhere = {
        name: len(leading(order, [values.done(claim, term) for term in others]))
        for name, others in by_space.items()
    }
    wanted = min([here + 1, *(count + AHEAD for count in elsewhere.values())])
    if verdict in (HOLDS, FAILS):
        wanted = _decided_at(found, asked.family)
    return Decision(
        claim=claim,
        verdict=verdict,
        n=n,
        cells=frozenset(index for several in cells for index, _ in several),
        wanted=wanted,
        waits_for=tuple(name for name, count in elsewhere.items() if count < here),
        expected_n=found.expected_n(asked.family) if verdict == UNDECIDED else None,
    )


def _decided_at(found: Evidence, family: int) -> int:
    """The number of repetitions after which the claim was decided."""
    smallest = np.minimum(found.p_holds, found.p_fails) * family
    return int((smallest <= LEVEL).argmax()) + 1


def repetitions(decisions: Iterable[Decision]) -> dict[int, int]:
    """How many repetitions the claims need of each cell that they are about, decided claims included.

    A cell that is not among them needs none for the claims' sake. The caller keeps the number between the
    space's `min` and `max`.
    """
    wanted: dict[int, int] = {}
    for decision in decisions:
        for cell in decision.cells:
            wanted[cell] = max(wanted.get(cell, 0), decision.wanted)
    return wanted


def repetitions_for_width(results: SweepResults, half_width: float) -> dict[int, int]:
    """How many repetitions each cell needs until its mean final accuracy is known to +- `half_width`.

    By the confidence sequence of the cell's final accuracies, in the order of repetitions: the number at
    which half its width was at most `half_width` for the first time, and one more than the cell has until
    then.
    """
    order, finals = results.sweep.repetition_seeds, results.finals
    accuracies = {index: part.set_index("seed")["accuracy"] for index, part in finals.groupby("cell")}
    wanted = {}
    for index in range(len(results.plan.cells)):
        seeds = leading(order, [results.repeated.get(index, frozenset())])
        sample = accuracies[index].reindex(seeds).to_numpy(dtype=np.float64) if seeds else np.empty(0)
        low, high = sequence(sample, LEVEL)
        narrow = (high - low) / 2 <= half_width
        wanted[index] = int(narrow.argmax()) + 1 if narrow.any() else len(seeds) + 1
    return wanted

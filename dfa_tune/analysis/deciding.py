"""Which claims about a search space are decided, and how many repetitions each cell needs until all are.

Pure functions of results. Runs call them after each repetition that ends, so they read no files:

    asked = claims_about(sweep)
    others = {name: load_sweep_results(name, results) for name in other_spaces(asked)}
    decisions = decide(asked, SweepResults(plan, rows), others)
    wanted = repetitions(decisions)  # {index into plan.cells: number of repetitions}

What a cell needs depends on nothing but the numbers of the repetitions: not on the order in which they
ended, nor on which run trained them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dfa_tune.config.claims import AnyClaim, load_claims
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
    """

    claim: AnyClaim
    verdict: str
    n: int
    cells: frozenset[int] = field(default_factory=frozenset)
    wanted: int = 0
    waits_for: tuple[str, ...] = ()

    @property
    def steers(self) -> bool:
        """Whether repetitions of this space are asked for by this claim, until it is decided."""
        return bool(self.cells)


def claims_about(sweep: Sweep) -> list[Asked]:
    """The claims of the space's own, and those of the thesis if it is one of its figures or a variant of one."""
    thesis = load_claims()
    found = [Asked(claim, len(thesis), sweep.figure_name) for claim in thesis if sweep.figure_name in claim.spaces]
    return found


def other_spaces(asked: Iterable[Asked]) -> list[str]:
    """The names of the other spaces whose results the claims need."""
    return sorted({name for one in asked for name in one.claim.spaces - {one.space}})


def decide(
    asked: Sequence[Asked], results: SweepResults, others: Mapping[str, SweepResults]
) -> list[Decision]:
    """The decision on each claim, in order.

    results: of the space, as far as they go. Of its rows these columns are read: trial_id, stage, seed,
        learning_rate, epoch, diverged, and the metrics that claims are about
    others: by name, the results of the spaces in `other_spaces`; one that is missing counts as not run
    """
    raise NotImplementedError


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

    By the confidence sequence of the cell's final accuracies in the order of repetitions: the number at which
    half its width was at most `half_width` for the first time, and one more than the cell has until then.
    """
    raise NotImplementedError

"""The numbers that claims are about: one per repetition, in the order of repetitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dfa_tune.config.claims import AnyClaim, Term
from dfa_tune.planning.claim_cells import term_cells, terms
from dfa_tune.planning.sweep_results import SweepResults

Floats = NDArray[np.float64]
Values = pd.Series  # one number per repetition, indexed by its seed


class ClaimValues:
    """The values of the claims' terms in the results of their spaces (`known`, by name), each read once.

    A space that is missing in `known` counts as not run.
    """

    def __init__(self, known: Mapping[str, SweepResults]) -> None:
        self.known = known
        self._read: dict[str, Values] = {}

    def seeds(self, claim: AnyClaim) -> list[int]:
        """The seeds of the repetitions that count, in order.

        Repetition r counts if all cells of the claim have it, in whichever space they lie, and all before it.
        Empty where a cell, its repetitions or its space is missing.
        """
        if claim.space not in self.known:
            return []
        done = [self.done(claim, term) for term in terms(claim)]
        return leading(self.known[claim.space].sweep.repetition_seeds, done)

    def done(self, claim: AnyClaim, term: Term) -> frozenset[int]:
        """The seeds of the repetitions that every cell of the term has; empty where it has no cell."""
        space = term.space or claim.space
        if space not in self.known:
            return frozenset()
        results = self.known[space]
        if term.method is None:
            return frozenset(_probed(results, term).index.tolist())
        done = [results.repeated.get(index, frozenset()) for index, _ in term_cells(results.plan, term)]
        return frozenset.intersection(*done) if done else frozenset()

    def sample(self, claim: AnyClaim, part: Sequence[Term], seeds: list[int]) -> Floats:
        """The weighted sum of the terms for each of these repetitions; NaN where one of them has no number.

        That is so if the trial diverged before the rows that the term is about.
        """
        total = np.zeros(len(seeds))
        for term in part:
            total += term.weight * self._values(term.space or claim.space, term).reindex(seeds).to_numpy()
        return total

    def _values(self, space: str, term: Term) -> Values:
        key = f"{space} {term.model_dump_json(exclude={'space', 'weight'})}"
        if key not in self._read:
            self._read[key] = values(self.known[space], term).astype(np.float64)
        return self._read[key]


def leading(order: Sequence[int], done: Sequence[frozenset[int]]) -> list[int]:
    """The first of these seeds, up to the one that is missing in one of `done`."""
    found = []
    for seed in order:
        if not done or not all(seed in each for each in done):
            break
        found.append(seed)
    return found


def values(results: SweepResults, term: Term) -> Values:
    """The term's number for each repetition that has one, without its weight; empty where there is none."""
    if term.method is None:
        return _probed(results, term)
    cells = term_cells(results.plan, term)
    part = results.repeat_rows[results.repeat_rows["cell"].isin([index for index, _ in cells])]
    if part.empty or term.value not in part:
        return pd.Series(dtype=np.float64)
    if term.correlate is not None:
        return _correlations(part, term.value, term.correlate)
    groups = part.groupby(["seed", term.slope] if term.slope else "seed")[term.value]
    means = groups.apply(lambda rows: _mean(rows, term)).dropna()
    return _slopes(means, results, term.slope) if term.slope else means


def _mean(rows: pd.Series, term: Term) -> float:
    kept = rows.iloc[: term.first] if term.first else rows.iloc[-term.last :]
    return float(kept.mean(skipna=False))


def _slopes(means: pd.Series, results: SweepResults, axis: str) -> Values:
    """Each seed's least-squares slope along `axis`, where it has every point: by log2 n, or by d."""
    expected = {getattr(point.problem, axis) for point in results.sweep.points}
    slopes = {}
    for seed, part in means.groupby(level=0):
        places = part.index.get_level_values(1).to_numpy(dtype=np.float64)
        if len(places) == len(expected) > 1:
            x = np.log2(places) if axis == "n" else places
            slopes[seed] = float(np.polyfit(x, part.to_numpy(), 1)[0])
    return pd.Series(slopes, dtype=np.float64)


def _correlations(part: pd.DataFrame, one: str, other: str) -> Values:
    """Spearman's rank correlation of two columns over each seed's epochs."""
    ranks = part.groupby("seed")[[one, other]].rank().assign(seed=part["seed"])
    found = {seed: group[one].corr(group[other]) for seed, group in ranks.groupby("seed") if len(group) > 2}
    return pd.Series(found, dtype=np.float64).dropna()


def _probed(results: SweepResults, term: Term) -> Values:
    if results.extra is None or "representation" not in results.extra:
        return pd.Series(dtype=np.float64)
    extra = results.extra
    part = extra[(extra["representation"] == term.probe) & (extra["layer"] == term.layer)]
    return part.set_index(part["seed"].astype("int64"))["accuracy"].astype(np.float64)

"""The numbers that claims are about: one for each repetition, by seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dfa_tune.config.claims import Term
from dfa_tune.planning.sweep_results import SweepResults

Values = pd.Series  # one number a repetition, indexed by its seed


def values(results: SweepResults, term: Term) -> Values:
    """The term's number for each repetition that has one, without its weight; empty where there is none."""
    if term.probe is not None:
        return _probed(results, term)
    part = results.repeat_rows
    part = part[part["method"] == term.method]
    for name, wanted in term.at.items():
        part = part[part[name] == wanted]
    if part.empty:
        return pd.Series(dtype=np.float64)
    if term.correlate is not None:
        return _correlations(part, term.value, term.correlate)
    groups = part.groupby(["seed", term.slope] if term.slope else "seed")[term.value]
    means = groups.apply(lambda rows: _mean(rows, term)).dropna()
    return _slopes(means, results, term.slope) if term.slope else means


def combined(found: Sequence[tuple[float, Values]]) -> Values:
    """The weighted sum of the terms for the seeds that all of them have."""
    table = pd.concat([weight * part for weight, part in found], axis=1).dropna()
    return table.sum(axis=1)


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

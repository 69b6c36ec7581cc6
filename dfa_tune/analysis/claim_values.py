"""The numbers that claims are about: one per repetition, by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dfa_tune.config.claims import Term
from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Cell, Plan
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.planning.trial import column_value

Values = pd.Series  # one number per repetition, indexed by its seed


def cells_at(plan: Plan, method: str, at: Mapping[str, Any]) -> list[tuple[int, Cell]]:
    """The cells of `method` whose settings are those in `at`, each with its index in `plan.cells`."""
    return [
        (index, cell)
        for index, cell in enumerate(plan.cells)
        if cell.method.name == method
        # As text, since a list such as [64, 64] is "64,64" in a column
        and all(str(setting(cell, name)) == str(column_value(value)) for name, value in at.items())
    ]


def setting(cell: Cell, name: str) -> Any:
    """What a cell has in the column `name`, which may be an axis or not; None without such a column."""
    if name in cell.axes:
        return cell.axes[name]
    trial = cell.repeats[0]
    for group in (trial.problem, trial.network, trial.training):
        if name in type(group).model_fields:
            return column_value(getattr(group, name))
    return None


def open_axes(cells: Sequence[Cell], along: str | None = None) -> list[str]:
    """The axes in which these cells differ, `along` aside."""
    names = cells[0].axes if cells else {}
    return [name for name in names if name != along and len({cell.axes[name] for cell in cells}) > 1]


def term_cells(results: SweepResults, term: Term) -> list[tuple[int, Cell]]:
    """The one cell that the term is about, or those along its slope; none where it is not run.

    Raises UserError where the term leaves an axis open, as it may where `--set` made an axis of a number.
    """
    cells = cells_at(results.plan, str(term.method), term.at)
    if left := open_axes([cell for _, cell in cells], term.slope):
        raise UserError(
            f"{results.sweep.name}: a claim about {term.method} does not say at which {' and '.join(left)};"
            " leave out the --set that gives several values"
        )
    return cells


def values(results: SweepResults, term: Term) -> Values:
    """The term's number for each repetition that has one, without its weight; empty where there is none."""
    if term.method is None:
        return _probed(results, term)
    cells = term_cells(results, term)
    part = results.repeat_rows[results.repeat_rows["cell"].isin([index for index, _ in cells])]
    if part.empty or term.value not in part:
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

"""A plan with the rows of its trials: what tables, figures, claims and reports are made from.

Reading needs pandas and the Parquet files, and neither torch nor Ray.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dfa_tune.errors import UserError
from dfa_tune.planning.notebook import results_html
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.scores import fallen, final, known_scores
from dfa_tune.planning.sweep import Sweep, load_sweep, repetition_seeds
from dfa_tune.planning.trial import column_value
from dfa_tune.problems.datasets import content_digest
from dfa_tune.results.store import Store

ACCURACIES = ["train_accuracy", "test_accuracy"]
PLAN_COLUMNS = ["trial_id", "stage", "seed", "epoch", "diverged", "stopped", "dataset", "data_digest"]


@dataclass(frozen=True, eq=False)
class SweepResults:
    """What is known of one sweep. The tables that are derived from the rows are computed once.

    `rows` has one row per trial and evaluated epoch, as the Parquet files do. `extra` is the table that
    the sweep's figure keeps beside the rows, None where it keeps none or has not made it yet.
    """

    plan: Plan
    rows: pd.DataFrame
    extra: pd.DataFrame | None = None

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return results_html(self)

    @property
    def sweep(self) -> Sweep:
        """The sweep that was planned."""
        return self.plan.sweep

    @cached_property
    def scores(self) -> dict[str, float]:
        """The score of every trial in `rows`: what learning rates are chosen by, and trials stopped."""
        if self.rows.empty:
            return {}
        tuning = self.sweep.tuning
        return known_scores(self.rows, tuning.metric, tuning.window, tuning.rungs)

    @property
    def axis_names(self) -> list[str]:
        """The columns that the sweep's axes vary, such as ["k"]."""
        return list(self.plan.cells[0].axes) if self.plan.cells else []

    def axis_values(self, name: str) -> list[Any]:
        """The values of an axis in the order of figures and tables; of another column its values, ascending.

        Numbers are ascending, and so are single widths of hidden layers. Lists and names come after them, in
        the order of the space.
        """
        if name not in self.axis_names:
            return sorted(self.rows[name].dropna().unique().tolist())
        values = list(dict.fromkeys(cell.axes[name] for cell in self.plan.cells))
        return sorted(values, key=_axis_order)

    @property
    def chance(self) -> list[float]:
        """The accuracy of a random guess, 1/classes; several where the problems of the points differ."""
        return sorted({1 / point.problem.classes for point in self.sweep.points})

    @cached_property
    def repeat_rows(self) -> pd.DataFrame:
        """The rows of the repetitions, by cell, repetition and epoch; `cell` is an index into `plan.cells`.

        There is one column for each axis. A trial that serves several cells, because its method does not
        depend on an axis, is there for each of them. After a trial diverged, its last accuracies stand in
        the later rows too.
        """
        planned = pd.DataFrame(
            [
                {
                    "cell": index,
                    "trial_id": trial.id,
                    "repetition": trial.repetition,
                    "method": cell.method.name,
                    **cell.axes,
                }
                for index, cell in enumerate(self.plan.cells)
                for trial in cell.repeat_trials(self.scores) or []
            ],
            columns=["cell", "trial_id", "repetition", "method", *self.axis_names],
        )
        kept = [column for column in self.rows if column == "trial_id" or column not in planned.columns]
        own = self.rows[kept]
        if own.empty:
            more = own.columns.drop("trial_id", errors="ignore")
            return planned.iloc[:0].reindex(columns=[*planned.columns, *more])
        rows = planned.merge(own.sort_values("epoch", kind="stable"), on="trial_id")  # keeps planned's order
        rows[ACCURACIES] = rows.groupby(["cell", "trial_id"])[ACCURACIES].ffill()
        return rows

    @cached_property
    def repeated(self) -> dict[int, frozenset[int]]:
        """The seeds of the repetitions that each cell has, by its index in `plan.cells`."""
        if self.repeat_rows.empty:
            return {}
        seeds = self.repeat_rows.groupby("cell")["seed"].unique()
        return {int(str(cell)): frozenset(map(int, found)) for cell, found in seeds.items()}

    @cached_property
    def repeat_seconds(self) -> dict[int, float]:
        """How long a repetition of each cell takes one worker, by its index in `plan.cells`."""
        if self.repeat_rows.empty:
            return {}
        seconds = self.repeat_rows.groupby(["cell", "trial_id"])["seconds"].sum().groupby("cell").mean()
        return {int(str(cell)): float(mean) for cell, mean in seconds.items()}

    @cached_property
    def finals(self) -> pd.DataFrame:
        """One row per repetition and cell: how it ended.

        Columns: cell, trial_id, method, the axes, learning_rate, seed, accuracy (the last finite test
        accuracy, NaN where there never was one), diverged and exploded (diverged, or fell back towards
        chance: see `scores.fallen`).
        """
        constant = ["cell", "trial_id", "method", *self.axis_names, "learning_rate", "seed"]
        if self.repeat_rows.empty:
            return pd.DataFrame(columns=[*constant, "accuracy", "diverged", "exploded"])
        one = self.repeat_rows.drop_duplicates(["cell", "trial_id"])[constant].reset_index(drop=True)
        diverged = self.rows.groupby("trial_id")["diverged"].any()
        problems = [self.plan.cells[cell].base.problem for cell in one["cell"]]
        ends = one.assign(
            accuracy=one["trial_id"].map(final(self.rows)),
            diverged=one["trial_id"].map(diverged).astype(bool),
            peak=one["trial_id"].map(self.rows.groupby("trial_id")["test_accuracy"].max()).astype(np.float64),
            chance=[1 / problem.classes for problem in problems],
            test_samples=[problem.test_samples or 1 for problem in problems],
        )
        return one.assign(
            accuracy=ends["accuracy"], diverged=ends["diverged"], exploded=ends["diverged"] | fallen(ends)
        )


def _axis_order(value: Any) -> tuple[bool, float]:
    number = isinstance(value, int | float) or str(value).isdecimal()  # one width is the text "64"
    return not number, float(value) if number else 0.0


def load_results(
    space: str | Path | Sweep,
    results: str | Path = "results",
    *,
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> pd.DataFrame:
    """One row per trial and evaluated epoch, for the trials of `space` that have ended or were stopped.

    `space` is a bundled space's name, the path of a YAML file or a Sweep; `overrides` ("a.b=value") and
    `methods` change it as `--set` and `--method` do. `results` is a folder or an fsspec URI, `data` the
    folder of the data sets. The columns are those of the Parquet files; `stage` is the one that the space
    gives a trial. Raises UserError where the space is invalid.
    """
    return load_sweep_results(space, results, data=data, overrides=overrides, methods=methods).rows


def load_sweep_results(
    space: str | Path | Sweep,
    results: str | Path = "results",
    *,
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    methods: Sequence[str] = (),
    scores_only: bool = False,
    more: Sequence[str] = (),
) -> SweepResults:
    """The rows that `load_results` returns, with the plan that they belong to; without `extra`.

    The plan lists all repetitions that there are, even if the space wants fewer.

    scores_only: read no other columns than scores and the plan take, which is faster and needs less memory
    more: columns to read as well
    """
    if isinstance(space, Sweep):
        if overrides or methods:
            raise UserError("overrides and methods need a space's name or path; a Sweep is taken as it is")
        sweep = space
    else:
        sweep = load_sweep(space, overrides=overrides, methods=methods, results=results)
    columns = list(dict.fromkeys((*PLAN_COLUMNS, sweep.tuning.metric, *more))) if scores_only else None
    rows = Store(results, sweep.name).read(columns=columns)
    plan = Plan(replace(sweep, found=_repetitions(sweep, rows)), _digests(sweep, rows, data))
    return SweepResults(plan, _planned(plan, rows))


def _planned(plan: Plan, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the trials that the plan lists, given these very rows.

    `stage` and `repetition` are as the plan has them, whichever space trained a trial first.
    """
    if rows.empty:
        return rows
    due, there = plan.due(SweepResults(plan, rows).scores), set(rows["seed"].tolist())
    listed = {trial.id: trial for trial in due if trial.seed in there}
    kept = rows[rows["trial_id"].isin(list(listed))]
    stages = {name: trial.stage for name, trial in listed.items()}
    numbers = {name: trial.repetition for name, trial in listed.items()}
    return kept.assign(
        stage=kept["trial_id"].map(stages), repetition=kept["trial_id"].map(numbers).astype(np.float64)
    ).reset_index(drop=True)


def _repetitions(sweep: Sweep, rows: pd.DataFrame) -> int:
    """How many repetitions any method has, counted from the first, and one that may be training already.

    0 where an option has set their number.
    """
    if sweep.exact or rows.empty:
        return 0
    there = set(rows["seed"].tolist())
    return 1 + len(list(itertools.takewhile(there.__contains__, repetition_seeds(sweep.seed, len(there)))))


def _digests(sweep: Sweep, rows: pd.DataFrame, data: str | Path | None) -> dict[str, str | None]:
    """The digest of each data set: of its files if they are here, otherwise as the results recorded it.

    So results can be read on a machine without the data sets.
    """
    return {name: content_digest(name, data) or _recorded(sweep, rows, name) for name in sweep.datasets}


def _recorded(sweep: Sweep, rows: pd.DataFrame, dataset: str) -> str | None:
    if rows.empty:
        return None
    found = rows.loc[rows["dataset"] == column_value(dataset), "data_digest"].dropna().unique().tolist()
    if len(found) > 1:
        raise UserError(
            f"{sweep.name}: these results come from {len(found)} different versions of the data set"
            f" {dataset!r}, and its files are not here to tell which one is meant;"
            " name their folder with --data"
        )
    return str(found[0]) if found else None

"""From the name of a search space to the rows of its trials; needs pandas and the Parquet files alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.scores import trial_scores
from dfa_tune.planning.sweep import Sweep, load_sweep
from dfa_tune.planning.trial import Trial
from dfa_tune.problems.datasets import content_digest
from dfa_tune.results.store import Store


def load_results(
    space: str | Path | Sweep,
    results: str | Path = "results",
    *,
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> pd.DataFrame:
    """One row a trial and evaluated epoch, for the finished trials of `space` and no others.

    `space` is a bundled space's name, the path of a YAML file or a Sweep; `overrides` ("a.b=value") and
    `methods` change it as `--set` and `--method` do. `results` is a folder or an fsspec URI, `data` the
    folder of the data sets. The columns are DESIGN section 5's; `stage` is the one that the space gives a
    trial. Raises UserError where the space is invalid.
    """
    return load(space, results, data=data, overrides=overrides, methods=methods)[1]


def load(
    space: str | Path | Sweep,
    results: str | Path = "results",
    *,
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> tuple[Plan, pd.DataFrame]:
    """As `load_results`, with the plan that the rows belong to: what tables and figures are made from."""
    if isinstance(space, Sweep):
        if overrides or methods:
            raise UserError("overrides and methods need a space's name or path; a Sweep is taken as it is")
        sweep = space
    else:
        sweep = load_sweep(space, overrides=overrides, methods=methods, results=results)
    rows = Store(results, sweep.name).read()
    plan = Plan(sweep, _digests(sweep, rows, data))
    return plan, planned(plan, rows)


def planned(plan: Plan, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the trials that the plan wants, given these very rows; `stage` as the plan has it."""
    if rows.empty:
        return rows
    wanted: dict[str, Trial] = {trial.id: trial for trial in plan.due(scores(plan, rows))}
    kept = rows[rows["trial_id"].isin(list(wanted))]
    stage = kept["trial_id"].map({trial_id: trial.stage for trial_id, trial in wanted.items()})
    return kept.assign(stage=stage).reset_index(drop=True)


def scores(plan: Plan, rows: pd.DataFrame) -> dict[str, float]:
    """What the plan chooses learning rates by, of every trial in `rows`, by trial id."""
    if rows.empty:
        return {}
    return trial_scores(rows, plan.sweep.tuning.metric, plan.sweep.tuning.window)


def _digests(sweep: Sweep, rows: pd.DataFrame, data: str | Path | None) -> dict[str, str | None]:
    """Each data set's content: of the files if they are here, or else what the results were made from.

    A laptop without the data sets reads results all the same.
    """
    return {name: content_digest(name, data) or _recorded(sweep, rows, name) for name in sweep.datasets}


def _recorded(sweep: Sweep, rows: pd.DataFrame, dataset: str) -> str | None:
    if rows.empty:
        return None
    found = rows.loc[rows["dataset"] == dataset, "data_digest"].dropna().unique().tolist()
    if len(found) > 1:
        raise UserError(
            f"{sweep.name}: results from {len(found)} different versions of the data set {dataset!r},"
            " and its files are not here to tell which is meant; name their folder with --data"
        )
    return str(found[0]) if found else None

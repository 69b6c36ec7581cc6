"""One number a trial: what a learning rate is chosen by, and what a repetition ends with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dfa_tune.config.schema import DEFAULT_WINDOW
from dfa_tune.planning.tuning import at_rung

NEAR_CHANCE = 0.02  # a final accuracy at most so far above chance has fallen back to it
TEST_NOISE = 4.0  # standard deviations of a test of a random guess; within them a trial has not left chance


def known_scores(
    rows: pd.DataFrame, metric: str, window: int | None, rungs: Sequence[int] = ()
) -> dict[str, float]:
    """The scores of all finished trials, and those at the `rungs` that finished and stopped trials have.

    `rows` has the columns of `trial_scores` and `stopped`.
    """
    stopped = rows["stopped"].eq(True)  # null in files from before there was this column
    found = trial_scores(rows[~stopped], metric, window)
    for rung in rungs:
        # Whether a trial diverges later is not known there; where it has diverged, its metrics are null
        until = rows[rows["epoch"] <= rung].assign(diverged=False)
        there = until.loc[until["epoch"] == rung, "trial_id"]
        until = until[until["trial_id"].isin(there)]
        found |= {at_rung(name, rung): score for name, score in trial_scores(until, metric, window).items()}
    return found


def trial_scores(rows: pd.DataFrame, metric: str, window: int | None) -> dict[str, float]:
    """The mean of `metric` over each trial's last `window` rows, by trial id.

    `rows` has the columns trial_id, epoch, diverged and `metric`, in any order. A trial that diverged,
    or lacks a value within the window, has NaN: it never wins. `window` None is ten rows; a trial with
    fewer rows than the window gives the mean of all that it has.
    """
    codes, trial_ids = pd.factorize(rows["trial_id"])
    # Descending epochs within each trial, so a row's rank from its trial's start counts from the end.
    order = np.lexsort((-rows["epoch"].to_numpy(), codes))
    codes = codes[order]
    rank = np.arange(len(codes)) - np.searchsorted(codes, codes)
    last = rank < (DEFAULT_WINDOW if window is None else window)
    values = rows[metric].to_numpy(dtype=np.float64, na_value=np.nan)[order]
    sums = np.bincount(codes[last], weights=values[last], minlength=len(trial_ids))
    counts = np.bincount(codes[last], minlength=len(trial_ids))
    diverged = rows["diverged"].to_numpy(dtype=bool)[order]
    means = np.where(
        np.bincount(codes, weights=diverged, minlength=len(trial_ids)) > 0, np.nan, sums / counts
    )
    return dict(zip(trial_ids.tolist(), means.tolist(), strict=True))


def final(rows: pd.DataFrame) -> pd.Series:
    """The last finite test accuracy of each trial, indexed by trial_id.

    A trial that diverged keeps the value from before it did; NaN where it never had one.
    """
    ordered = rows.sort_values(["trial_id", "epoch"], kind="stable")
    return ordered.groupby("trial_id", sort=False)["test_accuracy"].last().astype(np.float64)


def fallen(ends: pd.DataFrame) -> pd.Series:
    """Whether each trial fell back towards chance after having left it: to within two points of it, or by
    more than the noise of a test beyond half of its way up.

    ends: one row per trial with its last finite test `accuracy`, its highest one (`peak`), the accuracy of a
        random guess (`chance`) and `test_samples`, the tuples of a test. A trial has left chance where its
        peak is above those two points by more than the noise of such a test.
    """
    noise = TEST_NOISE * np.sqrt(ends["chance"] * (1 - ends["chance"]) / ends["test_samples"])
    learnt = ends["peak"] - ends["chance"]
    kept = ends["accuracy"] - ends["chance"]
    return (kept <= np.maximum(NEAR_CHANCE, learnt / 2 - noise)) & (learnt > NEAR_CHANCE + noise)

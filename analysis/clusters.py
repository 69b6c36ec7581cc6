"""Panels of the cluster figures: the data, and the test error along one of n and d."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dfa_tune.analysis import panels, styles
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.problems.kinds.clusters import Settings, cluster_labels, sample_points
from dfa_tune.problems.settings import ProblemSettings

NOTE = "A panel shows the repetitions that all of its methods have."
D, N = 15, 256  # the thesis' d where n varies, and n where d varies (section 2.2)


def ends(results: SweepResults) -> pd.DataFrame:
    """`SweepResults.finals` with n and d, whether or not they are axes, and the last training accuracy."""
    ended = results.finals.drop(columns=["n", "d"], errors="ignore")
    last = results.rows.sort_values("epoch").groupby("trial_id")[["n", "d", "train_accuracy"]].last()
    return ended.merge(last, left_on="trial_id", right_index=True)


def error_along(ax: Axes, results: SweepResults, ended: pd.DataFrame, axis: str) -> None:
    """The test error against `axis`, "n" or "d", with the other one fixed as in the thesis.

    Only with the labels that all methods have been trained on: labels differ more than methods do.
    """
    other, fixed = ("d", D) if axis == "n" else ("n", N)
    own = ended[ended[other] == fixed]
    methods = own.groupby([axis, "seed"])["method"].transform("nunique")
    panels.final_by_axis(ax, results, own[methods == own["method"].nunique()], axis, error=True)
    ax.set_title(f"{other} = {fixed}", fontsize=10)


def scatter(ax: Axes, problem: ProblemSettings, seed: int, count: int = 2000) -> None:
    """The first two dimensions of `count` points; the label has a colour and a marker."""
    assert isinstance(problem, Settings)  # the spaces that are drawn with it are of this kind
    points, cluster = sample_points(problem, count, np.random.default_rng(seed))
    label = cluster_labels(problem, seed)[cluster]
    for value, colour, marker in [(0, styles.COLOURS[5], "o"), (1, styles.COLOURS[6], "^")]:
        part = points[label == value]
        ax.scatter(part[:, 0], part[:, 1], s=5, c=colour, marker=marker, lw=0, label=f"label {value}")
    ax.set(aspect="equal", xlabel="dimension 1", ylabel="dimension 2", xlim=(-0.6, 0.6), ylim=(-0.6, 0.75))
    ax.legend(loc="upper center", ncols=2, fontsize=styles.SMALL, markerscale=2)
    ax.set_title(f"The data: {problem.clusters} x {problem.clusters} clusters", fontsize=10)

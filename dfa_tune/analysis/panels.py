"""Panels: each function draws one of them from the results of a sweep.

`rows` are rows of `SweepResults.repeat_rows`, `finals` rows of `SweepResults.finals`. Intervals are 95%,
Student's t; those of accuracies and errors are drawn between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from dfa_tune.analysis.drawn_axes import number, places_of, values_of
from dfa_tune.analysis.statistics import t_half_width, t_interval
from dfa_tune.analysis.styles import GREY, SMALL, styles
from dfa_tune.planning.plan import Cell
from dfa_tune.planning.sweep_results import SweepResults

LABELS = {
    "k": "k (digits in a tuple)",
    "n": "n (training points)",
    "d": "d (input dimensions)",
    "hidden": "widths of the hidden layers (units)",
    "width": "width of the hidden layers (units)",
    "train_samples": "training tuples per epoch",
    "batch_size": "batch size (tuples)",
    "test_accuracy": "test accuracy (fraction)",
    "train_accuracy": "training accuracy (fraction)",
    "test_error": "test error (fraction)",
    "feedback_alignment": "cosine of feedback B and w2",
    "gradient_alignment": "cosine of the rule's and BP's gradient",
}


def by_epoch(ax: Axes, results: SweepResults, rows: pd.DataFrame, metric: str = "test_accuracy") -> None:
    """The mean of `metric` by epoch, with its interval as a band, for each method."""
    look = styles(results)
    for index, (name, part) in enumerate(_by_method(results, rows)):
        line, style = curve(part, metric), look[name]
        every = max(1, len(line) // 8)
        ax.plot(
            line.index,
            line["mean"],
            color=style.color,
            linestyle=style.linestyle,
            marker=style.marker,
            markevery=(index % every, every),
            markersize=4,
            linewidth=1.4,
        )
        low, high = line["low"], line["high"]
        if metric.endswith("accuracy"):
            low, high = low.clip(lower=0), high.clip(upper=1)
        ax.fill_between(line.index, low, high, color=style.color, alpha=0.15, linewidth=0)
    ax.set_xlabel("epoch")
    dress(ax, results, metric, empty=rows.empty)
    if not rows.empty:
        whole_epochs(ax)


def curve(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean, low and high over the repetitions of one method, indexed by epoch.

    After a repetition diverged its last accuracy goes on counting, as in the tables; the mean of any other
    metric ends there. At n = 1 low and high are NaN.
    """
    values = rows.pivot(index="epoch", columns="trial_id", values=metric).sort_index().astype(np.float64)
    table, n = values.to_numpy(), values.shape[1]
    mean = table.mean(axis=1)
    half = t_half_width(table.std(axis=1, ddof=1), n) if n > 1 else np.full(len(mean), np.nan)
    return pd.DataFrame({"mean": mean, "low": mean - half, "high": mean + half}, index=values.index)


def final_by_method(ax: Axes, results: SweepResults, finals: pd.DataFrame) -> None:
    """The final accuracy of each method: every repetition, their mean and its interval."""
    look, groups = styles(results), list(_by_method(results, finals))
    for height, (name, part) in enumerate(groups):
        style, below = look[name], height + 0.25
        ax.plot(part["accuracy"], [below] * len(part), ".", color=style.color, ms=4, alpha=0.6)
        _cross_out(ax, part.assign(below=below), "accuracy", "below")
        mean, low, high = mean_and_lengths(part["accuracy"])
        ax.errorbar(
            mean, height, xerr=[[low], [high]], color=style.color, marker=style.marker, ms=6, capsize=3
        )
        if np.isnan(mean):
            middle = ax.get_yaxis_transform()
            ax.text(0.55, height, "diverged at once", transform=middle, va="center", fontsize=SMALL)
    ax.set_xlabel("final " + LABELS["test_accuracy"])
    if not groups:
        return say_empty(ax)
    ax.set_yticks(range(len(groups)), [name for name, _ in groups], fontsize=SMALL)
    ax.set_ylim(len(groups) - 0.5, -0.5)
    limits = ax.get_xlim()
    for level in results.chance:
        ax.axvline(level, color=GREY, linewidth=0.8, zorder=0)
    if _far(results.chance, limits):
        ax.set_xlim(limits)
    ax.grid(axis="x", color="0.92", linewidth=0.6)


def final_by_axis(
    ax: Axes, results: SweepResults, finals: pd.DataFrame, axis: str, error: bool = False
) -> None:
    """The final accuracy against an axis of the sweep; `error`: the final error, 1 - accuracy.

    A method that the axis does not concern is a level line.
    """
    places = places_of(values_of(results, axis, finals))
    numeric = all(number(value) is not None for value in places)
    shown = 1 - finals["accuracy"] if error else finals["accuracy"]
    placed = finals.assign(at=finals[axis].map(places), shown=shown)
    look, groups = styles(results), list(_by_method(results, placed))
    for index, (name, part) in enumerate(groups):
        style = look[name]
        aside = 0.0 if numeric else 0.12 * (index - (len(groups) - 1) / 2)  # words: beside each other
        if part["at"].isna().all():
            level, below, above = mean_and_lengths(part["shown"])
            ax.axhline(level, color=style.color, linestyle=style.linestyle, linewidth=1.4)
            ax.axhspan(level - below, level + above, color=style.color, alpha=0.15, linewidth=0)
            continue
        points = [(at, *mean_and_lengths(group["shown"])) for at, group in part.groupby("at")]
        x, mean, low, high = (np.array(column, dtype=np.float64) for column in zip(*points, strict=True))
        line: dict[str, Any] = {
            "linestyle": style.linestyle if numeric else "",
            "marker": style.marker,
            "color": style.color,
        }
        ax.errorbar(x + aside, mean, yerr=[low, high], ms=5, linewidth=1.4, capsize=2.5, **line)
        _cross_out(ax, part.assign(at=part["at"] + aside), "at", "shown")
    label_across(ax, axis, places)
    metric, limits = "test_error" if error else "test_accuracy", ax.get_ylim()
    dress(ax, results, metric, empty=finals.empty)
    if _far([1 - level if error else level for level in results.chance], limits):
        ax.set_ylim(limits)
    ax.set_ylabel("final " + LABELS[metric])


def tuning(ax: Axes, results: SweepResults, cells: Sequence[Cell]) -> None:
    """The score of every learning rate tried, by rate; a ring is the one chosen, a cross diverged.

    Where there are several tuning seeds, the line is their mean, and dots are the seeds. Where other
    parameters are chosen too, it is the best setting with that rate. Stopped trials are left out.
    """
    known, look, drawn = results.scores, styles(results), False
    for cell in cells:
        tried = [trial for trial in cell.due(known) if trial.stage == "tune" and trial.id in known]
        if not tried:
            continue
        scores = pd.Series([known[trial.id] for trial in tried], [trial.learning_rate for trial in tried])
        settings = pd.DataFrame(
            [(one.candidate.learning_rate, one.score) for one in cell.ended(known) if one.stopped is None],
            columns=["rate", "score"],
        ).groupby("rate")["score"]
        means = settings.min() if results.sweep.tuning.lower_is_better else settings.max()
        rates, values = means.index.to_list(), means.to_list()
        style, choice = look[cell.method.name], cell.choice(known)
        ax.plot(rates, values, color=style.color, linestyle=style.linestyle, marker=style.marker, ms=4)
        if len(scores) > len(means):  # several seeds, or several settings with this rate
            ax.plot(scores.index, scores, ".", color=style.color, ms=4, alpha=0.5)
        lost = [rate for rate, value in zip(rates, values, strict=True) if np.isnan(value)]
        ax.plot(lost, [0.03] * len(lost), "x", color=style.color, transform=ax.get_xaxis_transform())
        if choice is not None and choice.score is not None:
            at = [choice.learning_rate], [choice.score]
            ax.plot(*at, "o", ms=11, fillstyle="none", color=style.color)
        drawn = True
    window = results.sweep.tuning.window
    dress(ax, results, results.sweep.tuning.metric, empty=not drawn, what="tuning trial")
    if drawn:
        ax.set_xscale("log")
    ax.set_xlabel("learning rate")
    rows = "last row" if window == 1 else f"mean of the last {window} rows"
    ax.set_ylabel(f"{tuned_by(results)}, {rows}")


def tuned_by(results: SweepResults) -> str:
    """The label of what rates are chosen by; on held-out training images it is called no test."""
    tuning = results.sweep.tuning
    label = LABELS.get(tuning.metric, tuning.metric.replace("_", " "))
    return label.replace("test ", "validation ") if tuning.split == "validation" else label


def dress(ax: Axes, results: SweepResults, metric: str, *, empty: bool, what: str = "repetition") -> None:
    """The vertical label, the grid and the line at chance; an empty panel says what it waits for."""
    ax.set_ylabel(LABELS.get(metric, metric.replace("_", " ")))
    ax.grid(color="0.92", linewidth=0.6)
    if empty:
        return say_empty(ax, f"no finished {what} yet")
    if metric.endswith(("accuracy", "error")):
        for level in results.chance:
            height = 1 - level if metric.endswith("error") else level
            ax.axhline(height, color=GREY, linewidth=0.8, zorder=0)
    return None


def _far(levels: Sequence[float], limits: tuple[float, float]) -> bool:
    """Whether the lines at chance are so far from what is shown that it would be pressed together by them."""
    low, high = limits
    return all(abs(level - (low + high) / 2) > 2 * (high - low) for level in levels)


def say_empty(ax: Axes, why: str = "no finished repetition yet") -> None:
    """Writes into an empty panel why it is empty."""
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", color="0.4")
    ax.set_xticks([])
    ax.set_yticks([])


def whole_epochs(ax: Axes) -> None:
    """Ticks at whole epochs only."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def mean_and_lengths(fractions: pd.Series) -> tuple[float, float, float]:
    """The mean, and the lengths of its interval below and above, which end at 0 and 1.

    All are NaN where a repetition has no value, the lengths also where there is only one repetition.
    """
    if fractions.isna().any():
        return np.nan, np.nan, np.nan
    found = t_interval(fractions.to_numpy(dtype=np.float64))
    if found.low is None or found.high is None:
        return found.mean, np.nan, np.nan
    return found.mean, found.mean - max(found.low, 0.0), min(found.high, 1.0) - found.mean


def _by_method(results: SweepResults, part: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each method, in the order of the space."""
    groups = dict(list(part.groupby("method")))
    return ((name, groups[name]) for name in styles(results) if name in groups)


def _cross_out(ax: Axes, part: pd.DataFrame, x: str, y: str) -> None:
    """A cross on each repetition that diverged, or fell back towards chance."""
    lost = part[part["exploded"].astype(bool)]
    ax.plot(lost[x], lost[y], "x", color="black", markersize=7, zorder=5)


def label_across(ax: Axes, axis: str, places: Mapping[Any, float]) -> None:
    """The label of the axis across, and ticks at its values; a logarithmic scale beyond a factor of 8.

    places: where each value lies, see `drawn_axes.places_of`
    """
    ax.set_xlabel(LABELS.get(axis, axis.replace("_", " ")))
    at = list(places.values())
    numeric = all(number(value) is not None for value in places)
    if numeric and at and at[0] > 0 and at[-1] / at[0] > 8:
        ax.set_xscale("log")
    if not numeric:
        ax.set_xlim(-0.5, len(at) - 0.5)
    ax.set_xticks(at, [f"{place:g}" if numeric else str(value) for value, place in places.items()])
    ax.xaxis.set_minor_locator(NullLocator())

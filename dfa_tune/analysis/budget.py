"""The figure of the tuning budget: the best score that so many epochs of tuning find, for each method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dfa_tune.analysis import layout, panels
from dfa_tune.analysis.captions import about_data
from dfa_tune.analysis.default_figure import choose, point_title
from dfa_tune.analysis.styles import TITLE, styles
from dfa_tune.planning.plan import Cell
from dfa_tune.planning.sweep_results import SweepResults

PANELS = 6  # at most; the caption says how many there would be
BAND = (0.1, 0.9)  # of draws with more or less luck
Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Best:
    """The best score of the first 1, 2, ... settings; `low` and `high` are its band, None without one."""

    line: Curve
    low: Curve | None = None
    high: Curve | None = None


def figure(results: SweepResults) -> Figure | None:
    """A panel for each point of the axes at which methods are tuned; None where nothing was tuned yet."""
    by_point: dict[str, list[Cell]] = {}
    for cell in results.plan.cells:
        if cell.ended(results.scores):
            by_point.setdefault(point_title(cell.axes), []).append(cell)
    if not by_point:
        return None
    shown, left_out = choose(list(by_point.items()), PANELS)
    drawing, axes = layout.canvas(len(shown), results, heading="Best score by tuning budget: ")
    for ax, (title, cells) in zip(axes, shown, strict=True):
        panel(ax, results, cells)
        ax.set_title(title, fontsize=TITLE, parse_math=False)
    layout.same_scale(axes)
    drawing.set_label(f"{results.sweep.name}-budget")
    words = filter(None, (_words(results), left_out, about_data(results)))
    return layout.caption_below(drawing, " ".join(words))


def panel(ax: Axes, results: SweepResults, cells: Sequence[Cell]) -> None:
    """The best score against the epochs of tuning for each method; the dot is what the tuning has taken."""
    look, tuning = styles(results), results.sweep.tuning
    for cell in cells:
        style, ended = look[cell.method.name], cell.ended(results.scores)
        best = best_of(tuning.sampler, [one.score for one in ended], tuning.lower_is_better)
        budget = cell.budget(results.scores)
        if tuning.sampler == "tpe":
            last = cell.tune_trials[0].training.epochs
            spent = np.cumsum([one.stopped or last for one in ended]) * tuning.seeds
        else:
            spent = np.arange(1, len(ended) + 1) / len(ended) * budget.epochs
        stopped = f", {budget.stopped} stopped" if tuning.stop is not None else ""
        label = f"{cell.method.name}: {budget.trials} trials{stopped}, {budget.epochs} epochs"
        steps = "steps-post" if tuning.sampler == "tpe" else "default"
        line: dict[str, Any] = {"color": style.color, "linestyle": style.linestyle, "drawstyle": steps}
        ax.plot(spent, best.line, label=label, **line)
        ax.plot(spent[-1:], best.line[-1:], style.marker, color=style.color, ms=5)
        if best.low is not None and best.high is not None:
            ax.fill_between(spent, best.low, best.high, color=style.color, alpha=0.12, linewidth=0)
    ax.set_xlabel("epochs of tuning")
    panels.dress(ax, results, tuning.metric, empty=False)
    ax.set_ylabel(f"best {panels.tuned_by(results)}")
    ax.set_xlim(left=0)
    ax.legend(fontsize=7, loc="best", handlelength=2.6)


def best_of(sampler: str, scores: Sequence[float], lower_is_better: bool) -> Best:
    """The best of 1, 2, ... settings; a score that is not a number counts as the worst of the others.

    tpe: the best so far. grid and random: the expected best of so many of the settings; for random settings
    with a band that most other draws would give (see `luck`).
    """
    sign = -1.0 if lower_is_better else 1.0
    values = sign * np.array(scores, np.float64)
    values[np.isnan(values)] = np.nanmin(values) if not np.isnan(values).all() else 0.0
    if sampler == "tpe":
        return Best(sign * np.maximum.accumulate(values))
    band = [sign * luck(values, quantile) for quantile in BAND] if sampler == "random" else [None, None]
    return Best(sign * expected_best(values), *band)


def expected_best(values: Sequence[float] | Curve) -> Curve:
    """The expected highest of 1, 2, ..., n of n values, drawn without replacement.

    Of independent draws it is an unbiased estimate. The i-th lowest is the highest of m in C(i - 1, m - 1) of
    C(n, m) draws: the n-th in m / n of them, and each lower one in (i - m + 1) / i of what the next has.
    """
    ordered, n = np.sort(values), len(values)
    best, below = np.empty(n), np.arange(n - 1, 0, -1)
    for m in range(1, n + 1):
        shares = np.cumprod(np.concatenate([[m / n], np.maximum(below - m + 1, 0) / below]))
        best[m - 1] = shares @ ordered[::-1]
    return best


def luck(values: Sequence[float] | Curve, quantile: float) -> Curve:
    """A quantile of the highest of 1, 2, ..., n draws from a distribution of which n draws are known.

    The known ones stand for it, so the highest of m is at most the i-th lowest with probability (i / n)^m
    (Dodge et al., "Show Your Work", 2019).
    """
    ordered, n = np.sort(values), len(values)
    # The lowest i with (i / n)^m >= quantile; a little less, since a root is not exact
    places = np.ceil(n * quantile ** (1 / np.arange(1, n + 1)) - 1e-9).astype(int)
    highest: Curve = ordered[np.clip(places, 1, n) - 1]
    return highest


def _words(results: SweepResults) -> str:
    tuning = results.sweep.tuning
    meaning = {
        "grid": "The line is the expected best of so many of the settings tried, in random order",
        "random": "The line is the expected best of so many of the random settings, the band what 80% of"
        " other draws would give",
        "tpe": "The line is the best setting so far, in the order in which TPE suggested them",
    }[tuning.sampler]
    stopped = " A stopped trial counts with its score at that epoch." if tuning.stop is not None else ""
    seeds = f" Each setting is tried with {tuning.seeds} seeds." if tuning.seeds > 1 else ""
    return f"{meaning}; the mark is the whole tuning.{stopped}{seeds}"

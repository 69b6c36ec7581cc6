"""What figures are composed of: each function draws one panel of tidy rows.

Colours are Okabe and Ito's, which colour-blind readers tell apart; the line's style is the rule's and
every method has a marker of its own, so that a print in black and white can be read too. Figures are
matplotlib Figure objects: pyplot and its global state are never used.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dfa_tune.analysis.statistics import t_half_width, t_interval
from dfa_tune.config.method import DEFAULT_FEEDBACK
from dfa_tune.planning.plan import Cell
from dfa_tune.planning.sweep_results import SweepResults

# Okabe and Ito (2008) without the yellow, which white paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3)))
LABELS = {
    "k": "k (digits in a tuple)",
    "n": "n (training points)",
    "d": "d (input dimensions)",
    "hidden": "width of the hidden layers (units)",
    "train_samples": "training tuples in an epoch",
    "batch_size": "batch size (tuples)",
    "test_accuracy": "test accuracy (fraction)",
    "train_accuracy": "training accuracy (fraction)",
    "feedback_alignment": "cosine of feedback B and w2",
    "gradient_alignment": "cosine of the rule's and BP's gradient",
}
SMALL = 8  # points: legends, captions, what must not shout
Finals = pd.DataFrame  # as SweepResults.finals gives it


@dataclass(frozen=True)
class Style:
    """How a method is drawn everywhere in a figure."""

    color: str
    linestyle: Any
    marker: str


Styles = Mapping[str, Style]


def styles(results: SweepResults) -> dict[str, Style]:
    """A style for each method, in the space's order, so that a partial figure looks like the final one.

    The line is the rule's, or, where there is but one rule, the method's own. Where there are more methods
    than colours, methods that differ in the rule alone share one.
    """
    methods = {cell.method.name: cell.method for cell in results.plan.cells}
    rules = {name: method.rule for name, method in methods.items()}
    kinds = rules if len(set(rules.values())) > 1 else {name: name for name in rules}
    lines = dict(zip(dict.fromkeys(kinds.values()), _cycle(LINES), strict=False))
    many = len(methods) > len(COLOURS)
    same = {name: (m.optimizer, m.feedback or DEFAULT_FEEDBACK) if many else m for name, m in methods.items()}
    colours = dict(zip(dict.fromkeys(same.values()), _cycle(COLOURS), strict=False))
    return {
        name: Style(colours[same[name]], lines[kinds[name]], marker)
        for name, marker in zip(methods, _cycle(MARKERS), strict=False)
    }


def canvas(panels: int, results: SweepResults, heading: str = "") -> tuple[Figure, list[Axes]]:
    """An empty figure of so many panels under `heading` and the sweep's title, at most three in a row."""
    columns = 2 if panels == 4 else min(panels, 3)
    lines = -(-panels // columns)
    methods = len({cell.method for cell in results.plan.cells})
    height = max(3.4, 1 + 0.3 * methods)  # inches; a panel may have a line for each method
    figure = Figure(figsize=(3.9 * columns + 2.2, height * lines + 1.1), dpi=150)
    figure.set_layout_engine("constrained", wspace=0.06, hspace=0.06)
    axes: list[Axes] = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for unused in axes[panels:]:
        unused.remove()
    title = heading + results.sweep.title
    figure.suptitle(textwrap.fill(title, 36 * columns), fontsize=12)
    return figure, axes[:panels]


def finish(figure: Figure, results: SweepResults, note: str = "") -> Figure:
    """Adds the legend beside the panels and the caption below them; returns the figure."""
    handles = [
        Line2D([], [], color=style.color, linestyle=style.linestyle, marker=style.marker, ms=5, label=name)
        for name, style in styles(results).items()
    ]
    handles.append(Line2D([], [], color="0.55", linewidth=0.8, label="chance (0.5)"))
    figure.legend(handles=handles, loc="outside right center", fontsize=SMALL, handlelength=3.4)
    crosses = [line for ax in figure.axes for line in ax.lines if line.get_marker() == "x"]
    if any(np.size(line.get_xdata()) for line in crosses):
        note = f"A cross marks what diverged. {note}"
    return caption_below(figure, f"{caption(results)} {note}")


def caption_below(figure: Figure, words: str) -> Figure:
    """Sets the caption, in lines as wide as the figure; returns the figure."""
    lines = textwrap.fill(words.strip(), int(figure.get_figwidth() * 14))
    figure.supxlabel(lines, fontsize=SMALL, color="0.25")
    return figure


def caption(results: SweepResults) -> str:
    """What the numbers are: n, the kind of interval, the data set, the weight decay and the precision."""
    known, rows = results.scores, results.rows
    planned = [[trial.id for trial in cell.repeat_trials(known) or []] for cell in results.plan.cells]
    repetitions = [sum(trial_id in known for trial_id in ids) for ids in planned]
    diverged = rows.loc[rows["diverged"], "trial_id"]
    lost = diverged[diverged.isin([trial_id for ids in planned for trial_id in ids])].nunique()
    counted = f" Diverged repetitions ({lost}) count with their last accuracy." if lost else ""
    return f"{_intervals(repetitions)}{counted} {about_data(results)}"


def about_data(results: SweepResults) -> str:
    """The data set, the weight decay, and the products' precision where it is not the default."""
    trials = results.plan.due(results.scores)
    data = _several(getattr(t.problem, "dataset", None) or _generated(t.problem) for t in trials)
    decay = _several(f"{t.training.weight_decay:g}" for t in trials)
    precision = _several(t.training.precision for t in trials)
    products = "" if precision == "float32" else f"; products in {precision}"
    return f"Data: {data}; weight decay {decay}{products}."


def by_epoch(ax: Axes, repeated: pd.DataFrame, look: Styles, metric: str = "test_accuracy") -> None:
    """The mean of `metric` by epoch, with its 95% band, for each method in `repeated`.

    `repeated` are rows of SweepResults.repeat_rows.
    """
    for index, (name, part) in enumerate(_in_order(repeated, look)):
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
        ax.fill_between(line.index, line["low"], line["high"], color=style.color, alpha=0.15, linewidth=0)
    ax.set_xlabel("epoch")
    dress(ax, repeated.empty, metric)
    if not repeated.empty:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def curve(part: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean, low and high (95%, Student's t) over one method's repetitions, indexed by epoch.

    After a repetition diverged its last accuracy goes on counting, as in the tables; any other metric
    ends there. At n = 1 low and high are NaN.
    """
    values = part.pivot(index="epoch", columns="trial_id", values=metric).sort_index().astype(np.float64)
    table, n = values.to_numpy(), values.shape[1]
    mean = table.mean(axis=1)
    half = t_half_width(table.std(axis=1, ddof=1), n) if n > 1 else np.full(len(mean), np.nan)
    return pd.DataFrame({"mean": mean, "low": mean - half, "high": mean + half}, index=values.index)


def final_by_method(ax: Axes, ended: Finals, look: Styles) -> None:
    """Each method's final accuracy: every repetition, their mean and its 95% interval."""
    names = [name for name, _ in _in_order(ended, look)]
    for height, (name, part) in enumerate(_in_order(ended, look)):
        style, below = look[name], height + 0.25
        ax.plot(part["accuracy"], [below] * len(part), ".", color=style.color, ms=4, alpha=0.6)
        _cross_out(ax, part.assign(below=below), "accuracy", "below")
        mean, half = _mean_and_half(part["accuracy"])
        ax.errorbar(mean, height, xerr=half, color=style.color, marker=style.marker, ms=6, capsize=3)
        if np.isnan(mean):
            middle = ax.get_yaxis_transform()
            ax.text(0.55, height, "diverged at once", transform=middle, va="center", fontsize=SMALL)
    ax.set_xlabel("final " + LABELS["test_accuracy"])
    if not names:
        return say_empty(ax)
    ax.set_yticks(range(len(names)), names, fontsize=SMALL)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.axvline(0.5, color="0.55", linewidth=0.8, zorder=0)
    ax.grid(axis="x", color="0.92", linewidth=0.6)


def final_by_axis(ax: Axes, ended: Finals, axis: str, look: Styles, error: bool = False) -> None:
    """Final accuracy (or error, 1 - accuracy) against an axis of the sweep, with 95% intervals."""
    values = ordered(ended[axis])
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    place = {value: float(value) if numeric else float(at) for at, value in enumerate(values)}
    shown = 1 - ended["accuracy"] if error else ended["accuracy"]
    groups = list(_in_order(ended.assign(at=ended[axis].map(place), shown=shown), look))
    for index, (name, part) in enumerate(groups):
        style = look[name]
        aside = 0.0 if numeric else 0.12 * (index - (len(groups) - 1) / 2)  # words: beside each other
        points = [(at, *_mean_and_half(group["shown"])) for at, group in part.groupby("at")]
        x, mean, half = (np.array(column, dtype=np.float64) for column in zip(*points, strict=True))
        line: dict[str, Any] = {
            "linestyle": style.linestyle if numeric else "",
            "marker": style.marker,
            "color": style.color,
        }
        ax.errorbar(x + aside, mean, yerr=half, ms=5, linewidth=1.4, capsize=2.5, **line)
        _cross_out(ax, part.assign(at=part["at"] + aside), "at", "shown")
    ax.set_xlabel(LABELS.get(axis, axis.replace("_", " ")))
    _spread(ax, values, list(place.values()), numeric)
    dress(ax, ended.empty, "test_error" if error else "test_accuracy")
    ax.set_ylabel("final test error (fraction)" if error else "final " + LABELS["test_accuracy"])


def tuning(ax: Axes, results: SweepResults, look: Styles, cells: Sequence[Cell]) -> None:
    """The metric of every learning rate tried, by rate; a ring is the one chosen, a cross diverged."""
    known = results.scores
    drawn = False
    for cell in cells:
        tried = [t for t in cell.due(known) if t.stage == "tune" and t.id in known]
        tried.sort(key=lambda trial: trial.learning_rate)
        rates, values = [t.learning_rate for t in tried], [known[t.id] for t in tried]
        if not tried:
            continue
        style, choice = look[cell.method.name], cell.choice(known)
        ax.plot(rates, values, color=style.color, linestyle=style.linestyle, marker=style.marker, ms=4)
        lost = [rate for rate, value in zip(rates, values, strict=True) if np.isnan(value)]
        ax.plot(lost, [0.03] * len(lost), "x", color=style.color, transform=ax.get_xaxis_transform())
        if choice is not None and choice.score is not None:
            at = [choice.learning_rate], [choice.score]
            ax.plot(*at, "o", ms=11, fillstyle="none", color=style.color)
        drawn = True
    metric = results.sweep.tuning.metric
    dress(ax, not drawn, metric, "tuning trial")
    if drawn:
        ax.set_xscale("log")
    ax.set_xlabel("learning rate")
    ax.set_ylabel(f"{LABELS.get(metric, metric.replace('_', ' '))}, mean of the last rows")


def same_scale(axes: Sequence[Axes]) -> None:
    """Gives the panels that show something the vertical range that holds what each of them shows."""
    axes = [ax for ax in axes if ax.lines]
    if not axes:
        return
    limits = np.array([ax.get_ylim() for ax in axes])
    for ax in axes:
        ax.set_ylim(limits[:, 0].min(), limits[:, 1].max())


def ordered(values: pd.Series) -> list[Any]:
    """The different values of a column, ascending."""
    return sorted(pd.unique(values.dropna()).tolist())


def _cycle(items: Sequence[Any]) -> Iterator[Any]:
    while True:
        yield from items


def _in_order(part: pd.DataFrame, look: Styles) -> Iterator[tuple[str, pd.DataFrame]]:
    groups = dict(list(part.groupby("method")))
    return ((name, groups[name]) for name in look if name in groups)


def _mean_and_half(values: pd.Series) -> tuple[float, float]:
    """The mean and half its interval; NaN where a repetition has no value, or there is but one."""
    if values.isna().any():
        return np.nan, np.nan
    interval = t_interval(values.to_numpy(dtype=np.float64))
    return (interval.mean, np.nan if interval.high is None else interval.high - interval.mean)


def _cross_out(ax: Axes, part: pd.DataFrame, x: str, y: str) -> None:
    """A cross on each repetition that diverged."""
    lost = part[part["diverged"].astype(bool)]
    ax.plot(lost[x], lost[y], "x", color="black", markersize=7, zorder=5)


def dress(ax: Axes, empty: bool, metric: str, what: str = "repetition") -> None:
    """The vertical label, the grid and the line of chance; where a panel is empty, what it waits for."""
    ax.set_ylabel(LABELS.get(metric, metric.replace("_", " ")))
    ax.grid(color="0.92", linewidth=0.6)
    if empty:
        say_empty(ax, f"no finished {what} yet")
    elif metric.endswith(("accuracy", "error")):
        ax.axhline(0.5, color="0.55", linewidth=0.8, zorder=0)


def say_empty(ax: Axes, why: str = "no finished repetition yet") -> None:
    """A panel without anything to show says why."""
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", color="0.4")
    ax.set_xticks([])
    ax.set_yticks([])


def _spread(ax: Axes, values: list[Any], places: list[float], numeric: bool) -> None:
    """Ticks at the values themselves; a logarithmic scale where they span more than a factor of 8."""
    if numeric and places and places[0] > 0 and places[-1] / places[0] > 8:
        ax.set_xscale("log")
    if not numeric:
        ax.set_xlim(-0.5, len(values) - 0.5)
    ax.set_xticks(places, [f"{v:g}" if numeric else str(v) for v in values])
    ax.minorticks_off()


def _intervals(repetitions: Sequence[int]) -> str:
    low, high = min(repetitions, default=0), max(repetitions, default=0)
    if high == 0:
        return "No finished repetition."
    n = f"n = {high}" if low == high else f"n = {low} to {high}"
    if high == 1:
        return f"{n} repetition: no interval."
    return f"{n} repetitions: mean and its 95% interval (Student's t)."


def _several(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _generated(problem: Any) -> str:
    count = getattr(problem, "clusters", None)
    return str(problem.kind) if count is None else f"{count} x {count} clusters"

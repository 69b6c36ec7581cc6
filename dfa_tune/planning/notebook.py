"""What a notebook shows of a sweep and of its results: tables in HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfa_tune.planning.sweep import Sweep
    from dfa_tune.planning.sweep_results import SweepResults


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], note: str = "") -> str:
    """A table of HTML under `title`, with `note` below it; all text is escaped."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(_text(v))}</td>' for v in row)}</tr>" for row in rows)
    filled = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if columns else ""
    below = f"<p>{escape(note)}</p>" if note else ""
    return f"<div><b>{escape(title)}</b>{filled}{below}</div>"


def sweep_html(sweep: Sweep) -> str:
    """The methods of a sweep with their learning rates, its axes, and how often it trains what."""
    rows = [(method.name, _rates(rates)) for method, rates in sweep.rates.items()]
    least, most = sweep.repetitions.min, sweep.repetitions.max
    repetitions = f"{least}" if least == most else f"{least} to {most}"
    axes = f" at {len(sweep.points)} points of {', '.join(sweep.axes)}" if sweep.axes else ""
    note = f"{repetitions} repetitions of each method{axes}, at its learning rate"
    return table(f"{sweep.name}: {sweep.title}", ["method", "learning rates"], rows, note)


def results_html(results: SweepResults) -> str:
    """The final accuracy of each method at each point of the axes: n, mean and standard deviation."""
    sweep, finals = results.sweep, results.finals
    if finals.empty:
        done = results.rows["trial_id"].nunique() if len(results.rows) else 0
        return table(sweep.title, [], [], f"no finished repetition yet; {done} trials of tuning are done")
    counted = finals.groupby("cell", sort=True).agg(
        learning_rate=("learning_rate", "first"),
        n=("accuracy", "size"),
        mean=("accuracy", lambda values: values.mean(skipna=False)),
        sd=("accuracy", "std"),
    )
    cells = results.plan.cells
    rows = [
        (cells[index].method.name, *cells[index].axes.values(), one.learning_rate, one.n, one.mean, one.sd)
        for index, one in zip(counted.index, counted.itertuples(), strict=True)
    ]
    columns = ["method", *results.axis_names, "learning rate", "n", "mean accuracy", "sd"]
    return table(sweep.title, columns, rows, "final test accuracy; intervals: dfa_tune.analysis.tables")


def _rates(rates: Sequence[float]) -> str:
    """One rate, a few of them, or the ends and the number of many."""
    if len(rates) <= 4:
        return ", ".join(f"{rate:g}" for rate in rates)
    return f"{rates[0]:g} to {rates[-1]:g}, {len(rates)} of them"


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

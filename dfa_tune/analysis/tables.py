"""Tables of a sweep: the chosen learning rates, and the final accuracies with their intervals."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from dfa_tune.analysis.statistics import bootstrap_interval, t_interval
from dfa_tune.planning.plan import Cell
from dfa_tune.planning.sweep_results import SweepResults

Row = dict[str, Any]


def best_table(results: SweepResults) -> list[Row]:
    """The learning rate chosen for each method at each point of the axes; JSON-safe.

    Keys: method, the axes, learning_rate, score (null: a given rate, or every rate diverged) and
    at_edge. A method whose tuning is not finished is left out.
    """
    table = []
    for cell in results.plan.cells:
        choice = cell.choice(results.scores)
        if choice is not None:
            values = {
                "learning_rate": float(choice.learning_rate),
                "criterion": _number(choice.score),
                "at_edge": bool(choice.at_edge),
            }
            table.append(_named(cell) | values)
    return table


def summary_table(results: SweepResults) -> list[Row]:
    """The final test accuracy of each method at each point of the axes; JSON-safe.

    Keys: method, the axes, learning_rate, n (repetitions done), diverged (how many of them), mean, low,
    high (95%, Student's t) and sd; the last three are null at n = 1. A repetition that diverged counts
    with its last finite accuracy; if it never had one, neither has the mean. A method without a
    finished repetition is left out.
    """
    return [
        _named(results.plan.cells[cell]) | _counts(part) | _interval(part["accuracy"].tolist())
        for cell, part in _by_cell(results)
    ]


def bootstrap_table(results: SweepResults, seed: int = 0) -> list[Row]:
    """As `summary_table`, with the bounds of a seeded percentile bootstrap as low and high."""
    table = []
    for cell, part in _by_cell(results):
        values = part["accuracy"].tolist()
        row = _named(results.plan.cells[cell]) | _counts(part) | _interval(values)
        if row["mean"] is not None:
            interval = bootstrap_interval(values, seed=seed)
            row |= {"low": interval.low, "high": interval.high}
        table.append(row)
    return table


def _by_cell(results: SweepResults) -> list[tuple[int, pd.DataFrame]]:
    return [(int(str(cell)), part) for cell, part in results.finals.groupby("cell")]


def _named(cell: Cell) -> Row:
    # `n` counts the repetitions in these tables, so the axis of that name keeps its full key.
    axes = {"problem.n" if name == "n" else name: value for name, value in cell.axes.items()}
    return {"method": cell.method.name, **axes}


def _counts(part: pd.DataFrame) -> Row:
    return {
        "learning_rate": float(part["learning_rate"].iloc[0]),
        "n": len(part),
        "diverged": int(part["diverged"].sum()),
    }


def _interval(values: list[float]) -> Row:
    if not all(map(math.isfinite, values)):
        return dict.fromkeys(("mean", "low", "high", "sd"))
    interval = t_interval(values)
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "sd": interval.sd}


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)

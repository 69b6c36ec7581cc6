"""Tables of a sweep: the chosen learning rates, and the final accuracies with their intervals."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from dfa_tune.analysis.statistics import bootstrap_interval, t_interval
from dfa_tune.planning.plan import Cell, Plan
from dfa_tune.planning.scores import final
from dfa_tune.planning.sweep_results import scores

Row = dict[str, Any]


def best_table(plan: Plan, rows: pd.DataFrame) -> list[Row]:
    """The learning rate chosen for each method at each point of the axes; JSON-safe.

    Keys: method, the axes, learning_rate, score (null: a given rate, or every rate diverged) and
    at_edge. A method whose tuning is not finished is left out.
    """
    known = scores(plan, rows)
    table = []
    for cell in plan.cells:
        choice = cell.choice(known)
        if choice is not None:
            values = {
                "learning_rate": float(choice.learning_rate),
                "criterion": _number(choice.score),
                "at_edge": bool(choice.at_edge),
            }
            table.append(_named(cell) | values)
    return table


def summary_table(plan: Plan, rows: pd.DataFrame) -> list[Row]:
    """The final test accuracy of each method at each point of the axes; JSON-safe.

    Keys: method, the axes, learning_rate, n (repetitions done), diverged (how many of them), mean, low,
    high (95%, Student's t) and sd; the last three are null at n = 1. A repetition that diverged counts
    with its last finite accuracy; if it never had one, neither has the mean. A method without a
    finished repetition is left out.
    """
    return [
        _named(plan.cells[cell]) | _counts(part) | _interval(part["accuracy"].tolist())
        for cell, part in _by_cell(plan, rows)
    ]


def bootstrap_table(plan: Plan, rows: pd.DataFrame, seed: int = 0) -> list[Row]:
    """As `summary_table`, with the bounds of a seeded percentile bootstrap as low and high."""
    table = []
    for cell, part in _by_cell(plan, rows):
        values = part["accuracy"].tolist()
        row = _named(plan.cells[cell]) | _counts(part) | _interval(values)
        if row["mean"] is not None:
            interval = bootstrap_interval(values, seed=seed)
            row |= {"low": interval.low, "high": interval.high}
        table.append(row)
    return table


def repeats(plan: Plan, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the repetitions, with the columns `cell` (index in plan.cells) and one for each axis.

    A trial that serves several cells, because an axis does not concern its method, is there for each.
    """
    known = scores(plan, rows)
    planned = pd.DataFrame(
        [
            {"cell": index, "trial_id": trial.id, "method": cell.method.name, **cell.axes}
            for index, cell in enumerate(plan.cells)
            for trial in cell.repeat_trials(known) or []
        ],
        columns=["cell", "trial_id", "method", *axis_names(plan)],
    )
    own = rows[[column for column in rows.columns if column == "trial_id" or column not in planned.columns]]
    if own.empty:
        return planned.iloc[:0].reindex(
            columns=[*planned.columns, *own.columns.drop("trial_id", errors="ignore")]
        )
    return planned.merge(own, on="trial_id", how="inner")


def finals(plan: Plan, rows: pd.DataFrame) -> pd.DataFrame:
    """One row a repetition and cell: cell, method, the axes, learning_rate, seed, accuracy, diverged."""
    repeated = repeats(plan, rows)
    constant = ["cell", "trial_id", "method", *axis_names(plan), "learning_rate", "seed"]
    if repeated.empty:
        return pd.DataFrame(columns=[*constant, "accuracy", "diverged"])
    one = repeated.drop_duplicates(["cell", "trial_id"])[constant].reset_index(drop=True)
    diverged = rows.groupby("trial_id")["diverged"].any()
    return one.assign(
        accuracy=one["trial_id"].map(final(rows)), diverged=one["trial_id"].map(diverged).astype(bool)
    )


def axis_names(plan: Plan) -> list[str]:
    """The columns that the sweep's axes vary, such as ["k"]."""
    return list(plan.cells[0].axes) if plan.cells else []


def _by_cell(plan: Plan, rows: pd.DataFrame) -> list[tuple[int, pd.DataFrame]]:
    return [(int(str(cell)), part) for cell, part in finals(plan, rows).groupby("cell")]


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

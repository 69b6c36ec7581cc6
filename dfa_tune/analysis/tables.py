"""Tables of a sweep: the chosen learning rates, and the final accuracies with their intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from dfa_tune.analysis.statistics import t_interval
from dfa_tune.planning.candidates import column
from dfa_tune.planning.plan import Cell
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.planning.trial import column_value

Row = dict[str, Any]


def best_table(results: SweepResults) -> list[Row]:
    """The learning rate chosen for each method at each point of the axes, without NaN, as JSON wants it.

    Keys: method, the axes, learning_rate, criterion (its score; None if the rate was given, or if every rate
    diverged) and at_edge. Where there are several tuning seeds, also criterion_sd and criterion_lowest: the
    standard deviation and the lowest of their scores, of which the criterion is the mean. For each parameter
    of `tuning.with` its column, and whether it is at an edge; None where it does not concern the method.
    tuning_trials and tuning_epochs: what the tuning has taken; stopped_trials where some may be stopped. A
    method whose tuning is not finished is left out.
    """
    sweep = results.sweep
    spread = sweep.tuning.seeds > 1
    chosen = list(dict.fromkeys(map(column, sweep.further)))
    table = []
    for _, cell in cells_in_order(results):
        choice = cell.choice(results.scores)
        if choice is not None:
            values = {
                "learning_rate": float(choice.learning_rate),
                "criterion": _number(choice.score),
                "at_edge": bool(choice.at_edge),
            }
            if spread:
                several = np.array(choice.by_seed or [math.nan])
                values["criterion_sd"] = _number(np.std(several, ddof=1)) if len(several) > 1 else None
                values["criterion_lowest"] = _number(np.min(several))
            own = {column(key): column_value(value) for key, value in choice.values.items()}
            edges = {column(key): at_edge for key, at_edge in choice.edges.items()}
            for name in chosen:
                values |= {name: own.get(name), f"{name}_at_edge": edges.get(name)}
            budget = cell.budget(results.scores)
            values |= {"tuning_trials": budget.trials, "tuning_epochs": budget.epochs}
            if sweep.tuning.stop is not None:
                values["stopped_trials"] = budget.stopped
            table.append(named(cell) | values)
    return table


def summary_table(results: SweepResults) -> list[Row]:
    """The final test accuracy of each method at each point of the axes, without NaN, as JSON wants it.

    Keys: method, the axes, learning_rate, n (repetitions done), diverged and exploded (how many of them: see
    `explosions`), mean, low and high (95%, Student's t for this n), and sd; the last three are None at n = 1.
    A repetition that diverged counts with its last finite accuracy; if it never had one, there is no mean. A
    method without a finished repetition is left out.
    """
    finals = dict(list(results.finals.groupby("cell")))
    return [
        named(cell) | _counts(finals[index]) | _interval(finals[index]["accuracy"].tolist())
        for index, cell in cells_in_order(results)
        if index in finals
    ]


def tried_table(results: SweepResults) -> list[Row]:
    """Every setting that was tried, by method, point of the axes and learning rate, without NaN.

    Keys: method, the axes, learning_rate, the parameters of `tuning.with`, score (its mean over the tuning
    seeds; None if a seed diverged) and chosen; where trials may be stopped, stopped_after: the epoch at which
    the setting was, and had this score. A setting of which a seed is not finished is left out.
    """
    chosen = list(dict.fromkeys(map(column, results.sweep.further)))
    table = []
    for _, cell in cells_in_order(results):
        choice = cell.choice(results.scores)
        for one in sorted(cell.ended(results.scores), key=lambda one: one.candidate.learning_rate):
            own = {column(key): column_value(value) for key, value in one.candidate.values.items()}
            values = {
                "learning_rate": float(one.candidate.learning_rate),
                **{name: own.get(name) for name in chosen},
                "score": _number(one.score),
                "chosen": choice is not None and one.candidate.id in choice.trials,
            }
            if results.sweep.tuning.stop is not None:
                values["stopped_after"] = one.stopped
            table.append(named(cell) | values)
    return table


def cells_in_order(results: SweepResults) -> list[tuple[int, Cell]]:
    """The cells with their index: by method in the order of the space, then by the values of the axes."""
    methods = {method: at for at, method in enumerate(results.sweep.methods)}
    ranks = {
        name: {value: at for at, value in enumerate(results.axis_values(name))} for name in results.axis_names
    }

    def place(numbered: tuple[int, Cell]) -> list[int]:
        cell = numbered[1]
        return [methods[cell.method], *(ranks[name][value] for name, value in cell.axes.items())]

    return sorted(enumerate(results.plan.cells), key=place)


def named(cell: Cell) -> Row:
    """The method and the point of the axes, as the first keys of a row."""
    # `n` counts the repetitions in these tables, so the axis of that name keeps its full key.
    axes = {"problem.n" if name == "n" else name: value for name, value in cell.axes.items()}
    return {"method": cell.method.name, **axes}


def _counts(part: pd.DataFrame) -> Row:
    return {
        "learning_rate": float(part["learning_rate"].iloc[0]),
        "n": len(part),
        "diverged": int(part["diverged"].sum()),
        "exploded": int(part["exploded"].sum()),
    }


def _interval(values: list[float]) -> Row:
    if not all(map(math.isfinite, values)):
        return dict.fromkeys(("mean", "low", "high", "sd"))
    interval = t_interval(values)
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "sd": interval.sd}


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)

"""The trials of a sweep as the runs of an experiment tracker: settings, group, and metrics by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from dfa_tune.errors import UserError
from dfa_tune.learning.metrics import BY_LAYER, METRICS
from dfa_tune.planning.candidates import column
from dfa_tune.planning.scores import final
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.results.schema import SCHEMA

MEASURED = ("epoch", *METRICS, *BY_LAYER, "diverged", "seconds")
# What tells apart the seeds of one group
OF_THE_SEED = ("trial_id", "seed", "repetition")


@dataclass(frozen=True)
class Run:
    """One trial.

    group: its method, point of the axes, learning rate, what is tuned beside it, and stage: all but the seed
    settings: the columns that are the same in all of its rows, without those that are null
    rows: its rows, by epoch
    final_test_accuracy: its last finite test accuracy; None if it never had one
    """

    trial_id: str
    group: str
    settings: dict[str, Any]
    rows: pd.DataFrame
    final_test_accuracy: float | None

    @property
    def seed(self) -> int:
        """What tells it apart from the others of its group."""
        return int(self.settings["seed"])

    @property
    def diverged(self) -> bool:
        """Whether a number of the trial ceased to be finite."""
        return bool(self.rows["diverged"].any())

    @property
    def seconds(self) -> float:
        """Its wall time: the sum over its rows."""
        return float(self.rows["seconds"].sum())

    @cached_property
    def metrics(self) -> list[tuple[int, dict[str, float]]]:
        """Of each evaluated epoch: its number, and what was measured by name; what is null is left out.

        Columns with a number for each hidden layer become one metric a layer, the first one's name ending
        in `/1`.
        """
        return [
            (int(row["epoch"]), dict(_numbers(row))) for row in self.rows[list(MEASURED)].to_dict("records")
        ]


def runs(found: SweepResults) -> list[Run]:
    """Every trial of the sweep, by group; raises UserError where there is none."""
    if found.rows.empty:
        name = found.sweep.name
        raise UserError(f"{name}: there are no results to export yet; run: dfa-tune run {name}")
    ends, tuned = final(found.rows), list(dict.fromkeys(map(column, found.sweep.further)))
    rows = found.rows.sort_values(["trial_id", "epoch"], kind="stable")
    constant = [name for name in rows.columns if name not in MEASURED]
    made = []
    for trial_id, own in rows.groupby("trial_id", sort=False):
        first = own.iloc[0]
        settings = {name: _plain(name, first[name]) for name in constant if not _null(first[name])}
        end = float(ends[str(trial_id)])
        made.append(
            Run(
                trial_id=str(trial_id),
                group=_group(settings, found.axis_names, tuned),
                settings=settings,
                rows=own,
                final_test_accuracy=end if math.isfinite(end) else None,
            )
        )
    return sorted(made, key=lambda run: (run.group, run.seed))


def _group(settings: dict[str, Any], axes: list[str], tuned: list[str]) -> str:
    """Such as "dfa-sgd, k=3, rate 0.1, weight_decay=0.001, repeat"."""

    def said(names: list[str]) -> list[str]:
        return [f"{name}={settings[name]}" for name in names if name in settings]

    rate = f"rate {settings['learning_rate']!r}"
    return ", ".join([settings["method"], *said(axes), rate, *said(tuned), settings["stage"]])


def _numbers(row: dict[Any, Any]) -> Iterator[tuple[str, float]]:
    for name in (*METRICS, "seconds"):
        if not _null(row[name]):
            yield name, float(row[name])
    for name in BY_LAYER:
        layers = row[name]
        for number, value in enumerate(() if _null(layers) else layers, 1):
            if not _null(value):
                yield f"{name}/{number}", float(value)


def _null(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _plain(name: str, value: Any) -> Any:
    """A value of pandas as Python's own; whole numbers are whole even where other rows have none."""
    if hasattr(value, "item"):
        value = value.item()
    whole = name in SCHEMA.names and str(SCHEMA.field(name).type) == "int64"
    return int(value) if whole else value

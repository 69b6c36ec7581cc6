"""What a method's tuning tries: settings of the learning rate and of the parameters of `tuning.with`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from dfa_tune.config.tuned import LEARNING_RATE, Listed, Parameter
from dfa_tune.planning.trial import Trial, column_value

Values = Mapping[str, Any]  # by dotted key, and "learning_rate"


@dataclass(frozen=True)
class Candidate:
    """One setting, with a trial for each tuning seed."""

    values: Values
    trials: tuple[Trial, ...]
    _until: dict[int, tuple[Trial, ...]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def id(self) -> str:
        """The id of its first trial, which stands for the setting."""
        return self.trials[0].id

    @property
    def learning_rate(self) -> float:
        """The learning rate."""
        return self.trials[0].learning_rate

    def until(self, epoch: int) -> tuple[Trial, ...]:
        """Its trials, to be trained to this epoch for now."""
        if epoch not in self._until:
            self._until[epoch] = tuple(replace(trial, until=epoch) for trial in self.trials)
        return self._until[epoch]


def candidate(base: Trial, values: Values, seeds: Sequence[int]) -> Candidate:
    """The setting `values` of `base`, with these seeds."""
    first = apply(base, values)
    return Candidate(values, tuple(first.at_seed(seed) for seed in seeds))


def apply(trial: Trial, values: Values) -> Trial:
    """The trial with these values in place of its own."""
    network, training = trial.network, trial.training
    options = dict(trial.options)
    for key, value in values.items():
        group, _, name = key.rpartition(".")
        if group == "network":
            network = network.model_copy(update={name: value})
        elif group == "training" or name == "weight_decay":
            training = training.model_copy(update={name: value})
        elif group:
            options[name] = value
    return replace(
        trial,
        network=network,
        training=training.resolved(trial.problem.samples, trial.problem.loss),
        options=options,
        learning_rate=values.get(LEARNING_RATE, trial.learning_rate),
    )


def column(key: str) -> str:
    """The column of the results that has the values of this parameter."""
    return key.rpartition(".")[2]


def recorded(parameters: Mapping[str, Parameter], columns: Mapping[str, Any]) -> Values:
    """The values that a trial has by the columns of its rows."""
    values = {}
    for key, parameter in parameters.items():
        value = columns[column(key)]
        value = value.item() if hasattr(value, "item") else value  # NumPy's
        value = None if isinstance(value, float) and math.isnan(value) else value  # null among numbers
        if isinstance(parameter, Listed):  # a list is a text in its column
            value = next((one for one in parameter.values if column_value(one) == value), value)
        values[key] = value
    return values


def grid(parameters: Mapping[str, Parameter]) -> Iterator[Values]:
    """Every combination of the parameters' values; those of one setting by ascending learning rate."""
    names = list(parameters)
    lists = [p.values if isinstance(p, Listed) else p.grid for p in parameters.values()]
    for *others, rate in itertools.product(*lists[1:], lists[0]):
        yield dict(zip(names, (rate, *others), strict=True))

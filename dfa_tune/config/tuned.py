"""What tuning chooses for each method: the learning rate, and the fields that `tuning.with` names."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, model_validator

from dfa_tune.config.method import Method
from dfa_tune.config.schema import RateRange, Rates, Space, round_rate, spaced
from dfa_tune.config.validation import Source, leaf_types, unknown_key
from dfa_tune.learning.settings import Network, Settings, Training, optimizer_options
from dfa_tune.registry import OPTIMIZERS, RULES

if TYPE_CHECKING:
    from dfa_tune.config.grid import Point

LEARNING_RATE = "learning_rate"
NEVER_TUNED = {
    "training.epochs": "all settings are compared after equally many epochs",
    "training.evaluate_every": "all settings are compared after equally many tests",
    "training.device": "results do not depend on it",
}
FORMS = "a list of values, or {low, high}, and log: true for a log-uniform range"
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Listed:
    """A parameter that has one of these values, each of them once."""

    values: tuple[Any, ...]

    @property
    def count(self) -> float:
        """How many values there are."""
        return len(self.values)


@dataclass(frozen=True)
class Range:
    """A parameter between two numbers, both included.

    log: it is drawn log-uniformly; whole: it is a whole number; points: of a grid, None where it is drawn
    """

    low: float
    high: float
    log: bool
    whole: bool = False
    points: int | None = None

    @property
    def count(self) -> float:
        """How many values there are; infinitely many real numbers."""
        return self.high - self.low + 1 if self.whole else math.inf

    @property
    def grid(self) -> tuple[Any, ...]:
        """The values of a grid, ascending; the two ends where it has no `points`."""
        found = spaced(self.low, self.high, self.points or 2, log=self.log)
        return tuple(dict.fromkeys(map(round, found))) if self.whole else found

    def rounded(self, value: float) -> float:
        """A drawn value with 6 significant digits, so that trial ids are the same on every machine.

        A narrow range has values of 12 digits.
        """
        digits = 6 if self.high - self.low > 1e-3 * abs(self.high) else 12
        return value if self.whole else min(self.high, max(self.low, round_rate(value, digits)))


Parameter = Listed | Range


class ParameterRange(Settings):
    """A range in `tuning.with`."""

    low: Finite
    high: Finite
    log: bool = False
    points: Annotated[int, Field(ge=2, le=1_000_000, strict=True)] | None = None

    @model_validator(mode="after")
    def _ascending(self) -> ParameterRange:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low:g}) must be above 0 for log: true")
        return self


def rate_parameter(rates: Rates) -> Parameter:
    """The learning rate as a parameter."""
    if isinstance(rates, RateRange):
        return Range(rates.low, rates.high, log=True, points=rates.points)
    return Listed(rates)


def parameters(space: Space, axes: Collection[str], source: Source) -> dict[str, Parameter]:
    """What `tuning.with` says, by dotted key; raises UserError where it is not valid."""
    models: dict[str, type[BaseModel]] = {"network": Network, "training": Training}
    models |= {f"optimizers.{name}": optimizer_options(name) for name in OPTIMIZERS.names()}
    valid = [f"{group}.{field}" for group, model in models.items() for field in model.model_fields]
    found: dict[str, Parameter] = {}
    for key, value in space.tuning.with_.items():
        path = ("tuning", "with", key)
        if key in NEVER_TUNED:
            raise source.error(path, f"cannot be tuned: {NEVER_TUNED[key]}")
        if key not in valid:
            raise source.error(path, unknown_key(key, [name for name in valid if name not in NEVER_TUNED]))
        if axis := next((axis for axis in axes if _same_field(axis, key)), None):
            raise source.error(
                path, f"{axis} is an axis, with a list of values; valid: one of the two", value
            )
        if key in space.tuning.at:
            raise source.error(path, "is in tuning.at too; valid: one of the two", value)
        group, _, field = key.rpartition(".")
        found[key] = _parameter(models[group], key, field, value, space.tuning.sampler, source)
    return found


def _same_field(axis: str, key: str) -> bool:
    """Whether an axis says what `key` says; an optimizer's weight decay replaces that of the training."""
    decay = axis == "training.weight_decay" and key.endswith(".weight_decay")
    return axis == key or decay


def _parameter(
    model: type[BaseModel], key: str, field: str, value: Any, sampler: str, source: Source
) -> Parameter:
    path = ("tuning", "with", key)
    if isinstance(value, list) and value:
        return Listed(tuple(dict.fromkeys(_valid(model, key, field, each, source) for each in value)))
    if not isinstance(value, dict):
        raise source.error(path, f"valid: {FORMS}", value)
    kinds = set(leaf_types(model.model_fields[field].annotation))
    if not kinds & {int, float} or bool in kinds or _holds_a_list(model, field):
        raise source.error(path, "a range is for numbers; valid: a list of values", value)
    given = source.validate(ParameterRange, value, path)
    for end in ("low", "high"):
        whole = float not in kinds
        number = getattr(given, end)
        if whole and number != int(number):
            raise source.error((*path, end), "valid: a whole number", number)
        _valid(model, key, field, int(number) if whole else number, source)
    if sampler == "grid" and given.points is None:
        raise source.error(
            path,
            "a grid has no values of a range; valid: points: N beside it, a list, or sampler: random",
            value,
        )
    return Range(given.low, given.high, given.log, whole=float not in kinds, points=given.points)


def _valid(model: type[BaseModel], key: str, field: str, value: Any, source: Source) -> Any:
    """The value as the field holds it."""
    place = ("tuning", "with", *key.split(".")[:-1])
    found = getattr(source.validate(model, {field: value}, place), field)
    if found is None and field == "weight_decay":  # elsewhere it stands for training.weight_decay
        raise source.error(("tuning", "with", key), "valid: numbers; null stands for no number here", value)
    return found


def _holds_a_list(model: type[BaseModel], field: str) -> bool:
    return isinstance(model.model_fields[field].get_default(call_default_factory=True), tuple)


def concerns(key: str, method: Method, point: Point) -> bool:
    """Whether the method's trials at this point depend on the field `key` of `tuning.with`."""
    group, _, field = key.rpartition(".")
    rule = RULES[method.rule]
    if group.startswith("optimizers."):
        return group == f"optimizers.{method.optimizer}"
    if key == "training.weight_decay":  # unless the optimizer has its own
        return "weight_decay" not in point.optimizers.get(method.optimizer, {})
    if field == "feedback_scale":
        return bool(rule.uses_feedback)
    if field == "feature_std":
        return bool(rule.uses_feature_std)
    return field != "activation" or rule.activation is None


def searched(
    method: Method, point: Point, rates: Parameter, further: Mapping[str, Parameter]
) -> dict[str, Parameter]:
    """The parameters that are chosen for a method at a point of the axes, the learning rate first."""
    own = {key: parameter for key, parameter in further.items() if concerns(key, method, point)}
    if f"optimizers.{method.optimizer}.weight_decay" in own:
        own.pop("training.weight_decay", None)
    for key, parameter in own.items():
        if isinstance(parameter, Listed) and key.startswith("training."):
            own[key] = Listed(_distinct(key.removeprefix("training."), parameter.values, point))
    return {LEARNING_RATE: rates, **own}


def _distinct(field: str, values: Iterable[Any], point: Point) -> tuple[Any, ...]:
    """The values of a field of `training` without a second way to write one, such as 256 beside "full"."""
    first: dict[Any, Any] = {}
    for value in values:
        training = point.training.model_copy(update={field: value})
        meant = getattr(training.resolved(point.problem.samples, point.problem.loss), field)
        first.setdefault(meant, value)
    return tuple(first.values())


def combinations(parameters: Iterable[Parameter], sampler: str) -> float:
    """How many settings there are: of a grid, or that can be drawn."""
    if sampler == "grid":
        return math.prod(len(p.values) if isinstance(p, Listed) else p.points or 2 for p in parameters)
    return math.prod(parameter.count for parameter in parameters)


def check_sampler(space: Space, source: Source) -> None:
    """Raises UserError where the keys of `tuning` do not go together."""
    tuning = space.tuning
    if tuning.sampler == "grid":
        if tuning.trials is not None:
            raise source.error(
                ("tuning", "trials"),
                "a grid has its own number; valid: with sampler: random or tpe",
                tuning.trials,
            )
        return
    if tuning.trials is None:
        raise source.error(
            ("tuning", "trials"), f"missing; sampler: {tuning.sampler} tries so many settings for each method"
        )
    if tuning.refine:
        raise source.error(
            ("tuning", "refine"), f"goes with sampler: grid; valid: 0 with {tuning.sampler}", tuning.refine
        )


def check_trials(
    space: Space,
    points: Iterable[Point],
    rates: Mapping[Method, Parameter],
    further: Mapping[str, Parameter],
    source: Source,
) -> None:
    """Raises UserError where more settings are to be drawn than there are."""
    for point in points if space.tuning.trials is not None else ():
        for method, own in rates.items():
            known = searched(method, point.tuned_at or point, own, further)
            count = combinations(known.values(), space.tuning.sampler)
            if 1 < count < (space.tuning.trials or 0):
                raise source.error(
                    ("tuning", "trials"),
                    f"method {method.name} has {count:g} settings; valid: at most {count:g}",
                    space.tuning.trials,
                )


def check_rungs(space: Space, points: Iterable[Point], source: Source) -> None:
    """Raises UserError where a trial has no row at an epoch after which trials are stopped, or ends there."""
    for training in (p.training for each in points for p in each.both):
        every, epochs = training.evaluate_every, training.epochs
        for rung in space.tuning.rungs:
            if rung >= epochs or rung % every:
                tested = "epochs" if every == 1 else f"multiples of {every}, the epochs that are tested,"
                raise source.error(
                    ("tuning", "stop", "after"),
                    f"valid: {tested} below a trial's {epochs}",
                    list(space.tuning.rungs),
                )

"""The points of a search space, which the values of its axes multiply to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from dfa_tune.config.method import Method
from dfa_tune.config.methods import MethodRates, check_name
from dfa_tune.config.schema import Space
from dfa_tune.config.tuned import (
    Listed,
    Parameter,
    check_rungs,
    check_sampler,
    check_trials,
    combinations,
    parameters,
    rate_parameter,
)
from dfa_tune.config.validation import Source, shown, unknown_key
from dfa_tune.learning.settings import Network, Training, optimizer_options
from dfa_tune.problems.settings import ProblemSettings
from dfa_tune.registry import OPTIMIZERS, PROBLEMS, RULES

MAX_TRIALS = 1_000_000
NEVER_AXES = {
    "problem.kind": "write a space for each kind",
    "training.device": "results do not depend on it",
}

Group = dict[str, Any]  # the content of `problem`, `network`, `training`, or of one optimizer in `optimizers`


@dataclass(frozen=True, kw_only=True)
class Point:
    """One combination of the axes' values.

    `problem` has its sample counts resolved, and `training` its loss and its batch size as a number.
    `optimizers` has the options that the space gives, by optimizer and name. Learning rates are tuned at the
    point `tuned_at`; None: at this one.
    """

    problem: ProblemSettings
    network: Network
    training: Training
    optimizers: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)
    tuned_at: Point | None = None

    @property
    def both(self) -> tuple[Point, Point]:
        """The point itself, and the one at which its learning rates are tuned."""
        return self, self.tuned_at or self

    @property
    def rows(self) -> int:
        """The number of evaluated epochs of a trial: every N-th, and the last."""
        return self.training.tests

    @property
    def dataset(self) -> str | None:
        """The name of the data set; None where the data are generated."""
        return self.problem.dataset


def points(
    space: Space, source: Source, chosen: Mapping[Method, MethodRates]
) -> tuple[list[str], tuple[Point, ...], dict[str, Parameter]]:
    """The dotted keys of the axes, the points (every combination of the axes' values), and `tuning.with`.

    Raises UserError where a value is not valid, or where there would be too many trials.
    """
    models: dict[str, type[BaseModel]] = {
        "problem": _problem_settings(space.problem, source),
        "network": Network,
        "training": Training,
        **{f"optimizers.{name}": model for name, model in _option_models(space, source).items()},
    }
    groups: dict[str, Group] = {name: getattr(space, name) for name in ("problem", "network", "training")}
    groups |= {f"optimizers.{name}": options for name, options in space.optimizers.items()}
    axes = {
        f"{name}.{key}": value
        for name, model in models.items()
        for key, value in groups[name].items()
        if _is_axis(model, name, key, value, source)
    }
    at = _tuning_at(space.tuning.at, models, axes, source)
    check_sampler(space, source)
    further = parameters(space, axes, source)
    _check_count(space, axes, at, chosen, further, source)
    variants = [
        _variants(models[name], name, groups[name], axes, at.get(name, {}), source) for name in models
    ]
    names = list(space.optimizers)
    found = tuple(_point(names, *combination) for combination in itertools.product(*variants))
    tried = [variant for point in found for variant in _tried(point, further)]
    _check_loss(tried, source)
    _check_depth(tried, chosen, source)
    rates = {method: rate_parameter(own.rates) for method, own in chosen.items()}
    check_trials(space, found, rates, further, source)
    check_rungs(space, found, source)
    return list(axes), found, further


def _tried(point: Point, further: Mapping[str, Parameter]) -> Iterable[Point]:
    """The point itself, and with each loss and each network that `tuning.with` tries there."""
    yield point
    for key in ("training.loss", "network.hidden"):
        group, _, name = key.partition(".")
        parameter = further.get(key)
        for value in parameter.values if isinstance(parameter, Listed) else ():
            own = getattr(point, group).model_copy(update={name: value})
            yield Point(**vars(point) | {group: own})


def _problem_settings(problem: Group, source: Source) -> type[BaseModel]:
    """The settings class of the problem's kind.

    Looked up by name and not a pydantic union: a problem that a user adds is known by its file alone.
    """
    path = ("problem", "kind")
    if "kind" not in problem:
        raise source.error(path, f"missing; valid: {', '.join(PROBLEMS.names())}")
    kind = problem["kind"]
    if not isinstance(kind, str):
        raise source.error(path, f"valid: one of {', '.join(PROBLEMS.names())}", kind)
    check_name(PROBLEMS, kind, path, source)
    settings: type[BaseModel] = PROBLEMS[kind].Settings
    return settings


def _option_models(space: Space, source: Source) -> dict[str, type[BaseModel]]:
    """The class of the options of each optimizer that the space says something of."""
    for name, options in space.optimizers.items():
        path = ("optimizers", name)
        check_name(OPTIMIZERS, name, path, source)
        if not isinstance(options, dict):
            raise source.error(path, "valid: a mapping of options to values", options)
    return {name: optimizer_options(name) for name in space.optimizers}


def _is_axis(model: type[BaseModel], group: str, key: str, value: Any, source: Source) -> bool:
    """Whether the value is an axis: a list, or a list of lists where the field itself takes a list."""
    if not isinstance(value, list):
        return False
    about = model.model_fields.get(key)
    if not value:
        raise source.error((*group.split("."), key), "valid: one value, or a list of at least one", value)
    listed = about is not None and _takes_list(about.annotation)
    if listed and not any(isinstance(item, list | str) for item in value):
        return False
    if (dotted := f"{group}.{key}") in NEVER_AXES:
        raise source.error((group, key), f"cannot be a list: {NEVER_AXES[dotted]}", value)
    return True


def _takes_list(annotation: Any) -> bool:
    """Whether a field of this type can hold a list."""
    return get_origin(annotation) in (list, tuple) or any(map(_takes_list, get_args(annotation)))


def _tuning_at(
    wanted: Mapping[str, Any],
    models: Mapping[str, type[BaseModel]],
    axes: Mapping[str, list[Any]],
    source: Source,
) -> dict[str, Group]:
    """`tuning.at` as {group: {field: value}}."""
    keys = [f"{name}.{key}" for name, model in models.items() for key in model.model_fields]
    valid = [key for key in keys if key not in NEVER_AXES]
    at: dict[str, Group] = {}
    for key, value in wanted.items():
        path = ("tuning", "at", key)
        if key not in valid:
            raise source.error(path, unknown_key(key, list(axes) or valid))
        if key in axes and value not in axes[key]:
            raise source.error(path, f"not on the axis; valid: {', '.join(map(shown, axes[key]))}", value)
        group, _, name = key.rpartition(".")
        at.setdefault(group, {})[name] = value
    return at


def _check_count(
    space: Space,
    axes: Mapping[str, list[Any]],
    at: Mapping[str, Group],
    chosen: Mapping[Method, MethodRates],
    further: Mapping[str, Parameter],
    source: Source,
) -> None:
    """Raises UserError where the space means too many trials; counts them without making them."""
    fixed = {f"{group}.{name}" for group, names in at.items() for name in names}
    points = math.prod(len(values) for values in axes.values())
    tuned_points = math.prod(len(values) for key, values in axes.items() if key not in fixed)
    settings = math.prod(combinations([parameter], "grid") for parameter in further.values())
    grids = [len(own.rates) * settings for own in chosen.values()]
    tuned = sum((space.tuning.trials or grid) + space.tuning.refine for grid in grids if grid > 1)
    trials = points * len(chosen) * space.repetitions.max + tuned_points * tuned * space.tuning.seeds
    if trials > MAX_TRIALS:
        raise source.error(
            (),
            f"{trials:,.0f} trials ({len(chosen)} methods at {points:,} points of the axes); valid: at most"
            f" {MAX_TRIALS:,}."
            " Shorten an axis, the learning rates, tuning.with, tuning.trials, tuning.refine, tuning.seeds or"
            " repetitions",
        )


Variant = tuple[Any, Any]  # the settings of a group, and those at which its learning rates are tuned


def _variants(
    model: type[BaseModel], name: str, group: Group, axes: Mapping[str, list[Any]], at: Group, source: Source
) -> list[Variant]:
    """The settings of a group for every combination of its axes' values."""
    keys = [key for key in group if f"{name}.{key}" in axes]
    place, variants = tuple(name.split(".")), []
    for values in itertools.product(*(group[key] for key in keys)):
        content = {**group, **dict(zip(keys, values, strict=True))}
        own = source.validate(model, content, place)
        tuned = source.validate(model, {**content, **at}, ("tuning", "at", *place)) if at else own
        variants.append((own, tuned))
    return variants


def _point(
    optimizers: Sequence[str], problem: Variant, network: Variant, training: Variant, *options: Variant
) -> Point:
    own, tuned = (
        Point(
            problem=p.resolved(),
            network=n,
            training=t.resolved(p.samples, p.loss),
            optimizers={
                name: given.model_dump(exclude_unset=True, exclude_none=True)
                for name, given in zip(optimizers, o, strict=True)
            },
        )
        for p, n, t, *o in zip(problem, network, training, *options, strict=True)
    )
    return own if own == tuned else Point(**vars(own) | {"tuned_at": tuned})


def _check_loss(points: Iterable[Point], source: Source) -> None:
    """Raises UserError where the softmax of `cross_entropy` would be over a single output."""
    for point in (p for each in points for p in each.both):
        if point.training.loss == "cross_entropy" and point.problem.outputs == 1:
            raise source.error(
                ("training", "loss"),
                f"needs an output for each class, and problem {point.problem.kind!r} with its"
                f" {point.problem.classes} classes has a single output; valid: binary_cross_entropy",
                point.training.loss,
            )


def _check_depth(points: Iterable[Point], chosen: Iterable[Method], source: Source) -> None:
    """Raises UserError where a rule that is defined for one hidden layer meets a deeper network."""
    single = [method for method in chosen if RULES[method.rule].single_hidden]
    deep = [point for point in points if max(len(p.network.hidden) for p in point.both) > 1]
    if single and deep:
        raise source.error(
            ("network", "hidden"),
            f"method {single[0].name} is for one hidden layer; valid: one width, or leave the method out",
            list(deep[0].network.hidden),
        )

"""What a search space's lists multiply to: methods with their learning rates, points of the axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from dfa_tune.config.method import Method
from dfa_tune.config.schema import MethodEntry, Rates, Space, parse_rates
from dfa_tune.config.validation import Source, shown, takes_list, unknown_key
from dfa_tune.errors import UserError, did_you_mean
from dfa_tune.learning.settings import Network, Training
from dfa_tune.registry import FEEDBACK, OPTIMIZERS, PROBLEMS, RULES, Registry

MAX_TRIALS = 1_000_000
NO_AXES = {
    "problem.kind": "give each kind a space of its own",
    "training.device": "results do not depend on it",
}

Group = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One combination of the axes' values; `tuned_at` is where its learning rates come from, None: here."""

    problem: Any  # the settings of the problem's kind, sample counts resolved
    network: Network
    training: Training  # batch size as a number
    tuned_at: Point | None = None

    @property
    def rows(self) -> int:
        """Evaluated epochs of a trial: every N-th, and the last."""
        return -(-self.training.epochs // self.training.evaluate_every)

    @property
    def dataset(self) -> str | None:
        """The data set's name; None where the data are generated."""
        return getattr(self.problem, "dataset", None)


@dataclass(frozen=True)
class MethodRates:
    """A method's learning rates; `own` is what its entry says of them, None: they are the optimizer's."""

    rates: Rates
    own: Any = None


def methods(space: Space, source: Source) -> dict[Method, MethodRates]:
    """The methods in their order, each once."""
    known = {
        optimizer: parse_rates(value, ("learning_rates", optimizer), source)
        for optimizer, value in space.learning_rates.items()
        if _known(OPTIMIZERS, optimizer, ("learning_rates", optimizer), source)
    }
    found: dict[Method, MethodRates | None] = {}
    for index, content in enumerate(space.methods):
        path = ("methods", index)
        entry = source.validate(MethodEntry, content, path)
        own = (
            None
            if entry.learning_rate is None
            else MethodRates(
                parse_rates(entry.learning_rate, (*path, "learning_rate"), source), entry.learning_rate
            )
        )
        for method in _product(entry, path, source):
            before = found.get(method)
            if before is not None and own is not None and before.rates != own.rates:
                raise source.error(
                    (*path, "learning_rate"),
                    f"{method.name} has another one, {shown(before.own)}, above",
                    own.own,
                )
            found[method] = before or own
    return {method: own or MethodRates(_shared(method, known, source)) for method, own in found.items()}


def _product(entry: MethodEntry, path: tuple[str | int, ...], source: Source) -> Iterable[Method]:
    for registry, key in ((RULES, "rule"), (OPTIMIZERS, "optimizer"), (FEEDBACK, "feedback")):
        for name in dict.fromkeys(getattr(entry, key)):
            _known(registry, name, (*path, key), source)
    # Each name once: lists of thousands of equal ones would multiply to more than anyone waits for
    lists = (dict.fromkeys(names) for names in (entry.rule, entry.optimizer, entry.feedback))
    for rule, optimizer, feedback in itertools.product(*lists):
        uses = RULES[rule].uses_feedback
        yield Method(rule=rule, optimizer=optimizer, feedback=feedback if uses else None)


def _known(registry: Registry, name: str, path: tuple[str | int, ...], source: Source) -> bool:
    if name not in registry.names():
        raise source.error(path, registry.unknown(name))
    return True


def _shared(method: Method, known: Mapping[str, Rates], source: Source) -> Rates:
    if method.optimizer not in known:
        raise source.error(
            ("learning_rates",),
            f"optimizer {method.optimizer!r} of method {method.name} has no learning rate;"
            f" add learning_rates.{method.optimizer}, or learning_rate to the method",
        )
    return known[method.optimizer]


def select(found: Mapping[Method, MethodRates], names: Sequence[str]) -> dict[Method, MethodRates]:
    """The methods of these names, all if none is given; raises UserError where one is not in the space."""
    valid = [method.name for method in found]
    for name in names:
        if name not in valid:
            raise UserError(
                f"--method {name}: not in this search space; valid: {', '.join(valid)}."
                + did_you_mean(name, valid)
            )
    return {method: tried for method, tried in found.items() if not names or method.name in names}


def entry_of(method: Method, tried: MethodRates) -> dict[str, Any]:
    """The entry of `methods` that stands for this method alone."""
    entry = {"rule": method.rule, "optimizer": method.optimizer, "feedback": method.feedback}
    entry["learning_rate"] = tried.own
    return {key: value for key, value in entry.items() if value is not None}


def points(
    space: Space, source: Source, chosen: Mapping[Method, MethodRates]
) -> tuple[list[str], tuple[Point, ...]]:
    """The axes' dotted keys, and every combination of their values for which trials are needed.

    Raises UserError where a value is not valid, or where there are too many trials, before making them.
    """
    models: dict[str, type[BaseModel]] = {
        "problem": _problem(space.problem, source),
        "network": Network,
        "training": Training,
    }
    groups: dict[str, Group] = {name: getattr(space, name) for name in models}
    axes = {
        f"{name}.{key}": value
        for name, model in models.items()
        for key, value in groups[name].items()
        if _is_axis(model, name, key, value, source)
    }
    at = _at(space.tuning.at, models, axes, source)
    _count(space, axes, at, chosen, source)
    parts = [_variants(models[name], name, groups[name], axes, at.get(name, {}), source) for name in models]
    found = tuple(_point(*variants) for variants in itertools.product(*parts))
    _only_one_hidden(found, chosen, source)
    return list(axes), found


def _problem(problem: Group, source: Source) -> type[BaseModel]:
    path = ("problem", "kind")
    if "kind" not in problem:
        raise source.error(path, f"missing; valid: {', '.join(PROBLEMS.names())}")
    kind = problem["kind"]
    if not isinstance(kind, str):
        raise source.error(path, f"valid: one of {', '.join(PROBLEMS.names())}", kind)
    _known(PROBLEMS, kind, path, source)
    settings: type[BaseModel] = PROBLEMS[kind].Settings
    return settings


def _is_axis(model: type[BaseModel], group: str, key: str, value: Any, source: Source) -> bool:
    """Whether a list is an axis; where the field is a list already, an axis is a list of lists."""
    if not isinstance(value, list):
        return False
    about = model.model_fields.get(key)
    itself = about is not None and takes_list(about.annotation)
    if not value:
        raise source.error((group, key), "valid: one value, or a list of at least one", value)
    if itself and not any(isinstance(item, list | str) for item in value):
        return False
    if (dotted := f"{group}.{key}") in NO_AXES:
        raise source.error((group, key), f"cannot be a list: {NO_AXES[dotted]}", value)
    return True


def _at(
    wanted: Mapping[str, Any],
    models: Mapping[str, type[BaseModel]],
    axes: Mapping[str, list[Any]],
    source: Source,
) -> dict[str, Group]:
    """`tuning.at` by group."""
    keys = [f"{name}.{key}" for name, model in models.items() for key in model.model_fields]
    valid = [key for key in keys if key not in NO_AXES]
    at: dict[str, Group] = {}
    for key, value in wanted.items():
        path = ("tuning", "at", key)
        if key not in valid:
            raise source.error(path, unknown_key(key, list(axes) or valid))
        if key in axes and value not in axes[key]:
            raise source.error(path, f"not on the axis; valid: {', '.join(map(shown, axes[key]))}", value)
        group, field = key.split(".")
        at.setdefault(group, {})[field] = value
    return at


def _count(
    space: Space,
    axes: Mapping[str, list[Any]],
    at: Mapping[str, Group],
    chosen: Mapping[Method, MethodRates],
    source: Source,
) -> None:
    fixed = {f"{group}.{field}" for group, fields in at.items() for field in fields}
    everywhere = math.prod(len(values) for values in axes.values())
    tuned_at = math.prod(len(values) for key, values in axes.items() if key not in fixed)
    tuned = sum(len(tried.rates) + space.tuning.refine for tried in chosen.values() if len(tried.rates) > 1)
    trials = everywhere * len(chosen) * space.repetitions + tuned_at * tuned
    if trials > MAX_TRIALS:
        raise source.error(
            (),
            f"{trials:,} trials ({len(chosen)} methods at {everywhere:,} points of the axes); valid: at most"
            f" {MAX_TRIALS:,}. Shorten an axis, the learning rates, tuning.refine or repetitions",
        )


Variant = tuple[Any, Any]  # a group's settings, and those of the point that it is tuned at


def _variants(
    model: type[BaseModel], name: str, group: Group, axes: Mapping[str, list[Any]], at: Group, source: Source
) -> list[Variant]:
    """A group's settings for each combination of its axes' values."""
    keys = [key for key in group if f"{name}.{key}" in axes]
    found = []
    for values in itertools.product(*(group[key] for key in keys)):
        content = {**group, **dict(zip(keys, values, strict=True))}
        own = source.validate(model, content, (name,))
        found.append((own, source.validate(model, {**content, **at}, ("tuning", "at", name)) if at else own))
    return found


def _point(problem: Variant, network: Variant, training: Variant) -> Point:
    own, tuned = (
        Point(problem=p.resolved(), network=n, training=_batch(t, p))
        for p, n, t in zip(problem, network, training, strict=True)
    )
    return own if own == tuned else Point(**vars(own) | {"tuned_at": tuned})


def _batch(training: Training, problem: Any) -> Training:
    if training.batch_size != "full":
        return training
    return training.model_copy(update={"batch_size": problem.samples})


def _only_one_hidden(points: Iterable[Point], chosen: Iterable[Method], source: Source) -> None:
    single = [method for method in chosen if RULES[method.rule].single_hidden]
    deep = [
        point for point in points if max(len(p.network.hidden) for p in (point, point.tuned_at or point)) > 1
    ]
    if single and deep:
        raise source.error(
            ("network", "hidden"),
            f"method {single[0].name} is for one hidden layer; valid: one width, or leave the method out",
            list(deep[0].network.hidden),
        )

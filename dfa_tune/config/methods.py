"""The methods of a search space, which its lists of rules, optimizers and feedback multiply to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dfa_tune.config.method import Method
from dfa_tune.config.schema import MethodEntry, RateRange, Rates, Space, parse_rates
from dfa_tune.config.validation import Path, Source, shown
from dfa_tune.errors import UserError, did_you_mean
from dfa_tune.registry import FEEDBACK, OPTIMIZERS, RULES, Registry


@dataclass(frozen=True)
class MethodRates:
    """The learning rates of one method; `own` is its entry's `learning_rate` as written, None without one."""

    rates: Rates
    own: Any = None


def methods_of(space: Space, source: Source) -> dict[Method, MethodRates]:
    """The methods of a space in its order, each once; raises UserError where one has no learning rate."""
    path: Path
    by_optimizer: dict[str, Rates] = {}
    for optimizer, value in space.learning_rates.items():
        path = ("learning_rates", optimizer)
        check_name(OPTIMIZERS, optimizer, path, source)
        by_optimizer[optimizer] = _rates(value, path, space, source)
    found: dict[Method, MethodRates | None] = {}
    for index, content in enumerate(space.methods):
        path = ("methods", index)
        entry = source.validate(MethodEntry, content, path)
        own = _own_rates(entry, (*path, "learning_rate"), space, source)
        for method in _combinations(entry, path, source):
            before = found.get(method)
            if before is not None and own is not None and before.rates != own.rates:
                raise source.error(
                    (*path, "learning_rate"),
                    f"an entry above gives {method.name} another learning rate, {shown(before.own)}",
                    own.own,
                )
            found[method] = before or own
    return {
        method: own or MethodRates(_optimizer_rates(method, by_optimizer, source))
        for method, own in found.items()
    }


def _own_rates(entry: MethodEntry, path: Path, space: Space, source: Source) -> MethodRates | None:
    if entry.learning_rate is None:
        return None
    return MethodRates(_rates(entry.learning_rate, path, space, source), entry.learning_rate)


def _rates(value: Any, path: Path, space: Space, source: Source) -> Rates:
    rates = parse_rates(value, path, source)
    if isinstance(rates, RateRange) and rates.points is None and space.tuning.sampler == "grid":
        raise source.error((*path, "points"), "missing, and there is no default")
    return rates


def _combinations(entry: MethodEntry, path: Path, source: Source) -> Iterable[Method]:
    for registry, key in ((RULES, "rule"), (OPTIMIZERS, "optimizer"), (FEEDBACK, "feedback")):
        for name in dict.fromkeys(getattr(entry, key)):
            check_name(registry, name, (*path, key), source)
    # Each name once: lists of thousands of equal names would multiply to billions of equal methods
    lists = (dict.fromkeys(names) for names in (entry.rule, entry.optimizer, entry.feedback))
    for rule, optimizer, feedback in itertools.product(*lists):
        uses_feedback = RULES[rule].uses_feedback
        yield Method(rule=rule, optimizer=optimizer, feedback=feedback if uses_feedback else None)


def check_name(registry: Registry, name: str, path: Path, source: Source) -> None:
    """Raises UserError where the registry has no such entry."""
    if name not in registry.names():
        raise source.error(path, registry.unknown(name))


def _optimizer_rates(method: Method, by_optimizer: Mapping[str, Rates], source: Source) -> Rates:
    if method.optimizer not in by_optimizer:
        raise source.error(
            ("learning_rates",),
            f"optimizer {method.optimizer!r} of method {method.name} has no learning rate;"
            f" add learning_rates.{method.optimizer}, or learning_rate to the method",
        )
    return by_optimizer[method.optimizer]


def select(found: Mapping[Method, MethodRates], names: Sequence[str]) -> dict[Method, MethodRates]:
    """The methods of these names, or all where no name is given; raises UserError for an unknown name."""
    valid = [method.name for method in found]
    for name in names:
        if name not in valid:
            raise UserError(
                f"--method {name}: not in this search space; valid: {', '.join(valid)}."
                + did_you_mean(name, valid)
            )
    return {method: rates for method, rates in found.items() if not names or method.name in names}


def entry_of(method: Method, rates: MethodRates) -> dict[str, Any]:
    """The entry of `methods` that stands for this method alone."""
    entry = {"rule": method.rule, "optimizer": method.optimizer, "feedback": method.feedback}
    entry["learning_rate"] = rates.own
    return {key: value for key, value in entry.items() if value is not None}

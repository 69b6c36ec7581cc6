"""A search space, validated and expanded: every method, its learning rates, every point of the axes.

`load_sweep` reads one. It finds every mistake before anything starts, and its message names the file, the
key, the value and what would be valid.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dfa_tune.bundled import bundled
from dfa_tune.config import grid, yaml_file
from dfa_tune.config.claims import AnyClaim, parse_claims
from dfa_tune.config.grid import Point
from dfa_tune.config.method import Method
from dfa_tune.config.methods import entry_of, methods_of, select
from dfa_tune.config.overrides import NO_OVERRIDES, Overrides, folder_overrides
from dfa_tune.config.schema import (
    DEFAULT_WINDOW,
    RateRange,
    Rates,
    Repetitions,
    Space,
    Tuning,
    parse_repetitions,
    rate_values,
)
from dfa_tune.config.tuned import Listed, Parameter, rate_parameter
from dfa_tune.config.validation import Source
from dfa_tune.errors import UserError, did_you_mean
from dfa_tune.planning.claim_check import check, objection
from dfa_tune.planning.notebook import sweep_html
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.used_plugins import used_plugins
from dfa_tune.plugins import Plugin

__all__ = [
    "Point",
    "Repetitions",
    "Sweep",
    "Tuning",
    "load_sweep",
    "parse_sweep",
    "plugins_json",
    "repetition_seeds",
    "same_methods",
    "space_names",
    "space_path",
]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A validated search space: every method at every point of the axes.

    `axes` are the dotted keys whose values are lists ("problem.k"). `rates` has the learning rates to
    compare for each method (where they are drawn from a range: its two ends); a single one is used as it is,
    without tuning. `searched` has them as a parameter, and `further` the parameters that are chosen together
    with them, by dotted key ("training.weight_decay"). `text` is the YAML with all
    options applied. `figure_name` is the bundled space whose figure and claims are used: the one that the
    space is, or says that it is a variant of; None for any other space, whatever its name is. `claims` are
    those of the space's own.

    `repetitions` says how many a run trains. Readers list more of them, `found`, if a claim has needed
    more. `exact`: they do not, since an option has set the number.
    """

    name: str
    title: str
    figure_name: str | None
    points: tuple[Point, ...]
    axes: list[str]
    methods: tuple[Method, ...]
    rates: Mapping[Method, tuple[float, ...]] = field(hash=False)
    searched: Mapping[Method, Parameter] = field(hash=False)
    further: Mapping[str, Parameter] = field(hash=False)
    tuning: Tuning = field(hash=False)
    repetitions: Repetitions
    seed: int
    save_weights: bool
    text: str
    exact: bool = False
    found: int = 0
    claims: tuple[AnyClaim, ...] = field(default=(), hash=False)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that the points need, each once."""
        points = [p for point in self.points for p in point.both]
        return tuple(dict.fromkeys(point.dataset for point in points if point.dataset is not None))

    @property
    def dataset(self) -> str | None:
        """The first of `datasets`; None where the data are generated."""
        return next(iter(self.datasets), None)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return sweep_html(self)

    @cached_property
    def plugins(self) -> dict[str, list[Plugin]]:
        """The plugins that its trials use, by kind ("rule")."""
        points = [p for point in self.points for p in point.both]
        tuned = self.further.get("network.activation")
        return used_plugins(
            self.methods,
            [
                *(point.network.activation for point in points),
                *(tuned.values if isinstance(tuned, Listed) else ()),
            ],
            [point.problem.kind for point in points],
        )

    @cached_property
    def repetition_seeds(self) -> tuple[int, ...]:
        """The seed of each repetition: the same for all methods and points, and never the tuning seed."""
        return repetition_seeds(self.seed, max(self.repetitions.max, self.found))

    @cached_property
    def tuning_seeds(self) -> tuple[int, ...]:
        """The seeds of each learning rate in tuning, first the space's own; none is that of a repetition."""
        seeds = [self.seed]
        for number in range(2, self.tuning.seeds + 1):
            seeds.append(_derived(self.seed, "tuning", number, {*seeds, *self.repetition_seeds}))
        return tuple(seeds)


def plugins_json(sweep: Sweep) -> dict[str, list[dict[str, Any]]]:
    """The plugins that the sweep's trials use, by kind, as `registry.use_only` takes them elsewhere."""
    return {kind: [plugin.to_json() for plugin in plugins] for kind, plugins in sweep.plugins.items()}


def same_methods(sweep: Sweep) -> list[tuple[Method, Method]]:
    """Pairs of methods that are one method under two names: FA and DFA in networks with one hidden layer.

    There the only matrix of feedback lies above the hidden layer, and the error that it carries down is that
    of the output in both. Their trials have ids of their own, so both are trained.
    """
    if any(len(p.network.hidden) > 1 for point in sweep.points for p in point.both):
        return []
    pairs = [(replace(method, rule="dfa"), method) for method in sweep.methods if method.rule == "fa"]
    return [(dfa, fa) for dfa, fa in pairs if dfa in sweep.methods]


def space_names() -> list[str]:
    """The names of the search spaces that come with the library, sorted."""
    return sorted(path.stem for path in bundled("search_spaces").glob("*.yaml"))


def space_path(name: str) -> Path:
    """The file of the bundled space `name`; raises UserError where there is none."""
    if name not in space_names():
        raise UserError(
            f"unknown search space {name!r}; valid: {', '.join(space_names())},"
            f" or the path of a YAML file.{did_you_mean(name, space_names())}"
        )
    return bundled("search_spaces") / f"{name}.yaml"


def load_sweep(
    space: str | Path,
    *,
    overrides: Sequence[str] = (),
    methods: Sequence[str] = (),
    results: str | Path | None = None,
) -> Sweep:
    """The sweep of `space`: the name of a bundled search space, or the path of a YAML file.

    `overrides` are options as `--set` takes them ("training.epochs=2"), `methods` the names of the methods to
    keep (none: all). For a bundled space, the options in `settings.yaml` of the folder `results` are applied
    before `overrides`. Raises UserError where anything is not valid.
    """
    path = _locate(space)
    text, where = yaml_file.read(path), str(path)
    folder = NO_OVERRIDES
    if results is not None and path is not space and str(path) != str(space):
        folder = folder_overrides(results, str(space), space_names())
    sweep = parse_sweep(text, where, overrides=overrides, methods=methods, folder=folder)
    if sweep.figure_name is None and path.resolve().parent == bundled("search_spaces"):
        return replace(sweep, figure_name=sweep.name)
    return sweep


def parse_sweep(
    text: str,
    where: str,
    *,
    overrides: Sequence[str] = (),
    methods: Sequence[str] = (),
    folder: Overrides = NO_OVERRIDES,
) -> Sweep:
    """As `load_sweep`, from a search space's YAML; `where` names it in messages.

    The overrides of the results `folder` are applied first.
    """
    document = yaml_file.parse(text, where)
    if not isinstance(document, dict):
        raise UserError(
            f"{where}: not a search space; valid: a mapping with the keys {', '.join(Space.model_fields)}"
        )
    options = yaml_file.override(document, folder.options, f"{folder.file}:")
    source = Source(where, options | yaml_file.override(document, overrides))
    content = source.validate(Space, document)
    repetitions = parse_repetitions(content.repetitions, source)
    content = content.model_copy(update={"repetitions": repetitions})
    chosen = select(methods_of(content, source), methods)
    if methods:
        document["methods"] = [entry_of(method, rates) for method, rates in chosen.items()]
    axes, points, further = grid.points(content, source, chosen)
    sweep = Sweep(
        name=content.name,
        title=" ".join(content.title.split()) or content.name,  # on one line
        figure_name=_variant_of(content.variant_of, source),
        points=points,
        axes=axes,
        methods=tuple(chosen),
        rates={method: _rate_values(rates.rates, content.tuning) for method, rates in chosen.items()},
        searched={method: rate_parameter(rates.rates) for method, rates in chosen.items()},
        further=further,
        tuning=content.tuning.model_copy(update={"window": _window(content.tuning.window, points, source)}),
        repetitions=repetitions,
        exact=any(key.split(".")[0] == "repetitions" for key in source.options),
        seed=content.seed,
        save_weights=content.save_weights,
        text=yaml_file.dump(document) if source.options or methods else text,
        claims=tuple(parse_claims(content.claims, source, ("claims",), content.name)),
    )
    if not sweep.claims:
        return sweep
    others = set[str]().union(*(claim.spaces for claim in sweep.claims)) - {sweep.name}
    plans = {name: Plan(load_sweep(name)) for name in sorted(others & set(space_names()))}
    changed = bool(source.options or methods)
    # What an option has removed is not an error, so the file as it is written has to have it
    plans[sweep.name] = Plan(parse_sweep(text, where) if changed else sweep)
    check(sweep.claims, plans, names=space_names(), where=f"{where}: claims: ")
    if not changed:
        return sweep
    # `text` is read on other machines and in later years, as a space that is written so
    plans[sweep.name] = Plan(sweep)
    entries = zip(document["claims"], sweep.claims, strict=True)
    document["claims"] = [entry for entry, claim in entries if not objection(claim, plans)]
    return replace(sweep, text=yaml_file.dump(document))


def _rate_values(rates: Rates, tuning: Tuning) -> tuple[float, ...]:
    """The learning rates of a grid; the ends of a range from which they are drawn."""
    if tuning.sampler != "grid" and isinstance(rates, RateRange):
        return rates.low, rates.high
    return rate_values(rates)


def _locate(space: str | Path) -> Path:
    path = Path(space)
    # A plain name always means a bundled space, even if the working folder has a file of that name
    if isinstance(space, Path) or path.suffix.lower() in (".yaml", ".yml") or len(path.parts) > 1:
        return path
    return space_path(space)


def _variant_of(name: str | None, source: Source) -> str | None:
    names = space_names()
    if name is not None and name not in names:
        reason = f"not a bundled search space; valid: {', '.join(names)}.{did_you_mean(name, names)}"
        raise source.error(("variant_of",), reason, name)
    return name


def _window(given: int | None, points: Sequence[Point], source: Source) -> int:
    """The number of rows that a score averages; a point with fewer than the default averages all it has."""
    rows = [p.rows for point in points for p in point.both]
    if given is not None and given > min(rows):
        raise source.error(
            ("tuning", "window"),
            f"larger than a trial's {min(rows)} evaluated epochs; valid: 1 to {min(rows)}, or leave it out",
            given,
        )
    return min(DEFAULT_WINDOW, max(rows)) if given is None else given


def repetition_seeds(seed: int, count: int) -> tuple[int, ...]:
    """`count` different seeds derived from `seed`, none equal to it; a larger `count` only appends seeds.

    Each has at most 53 bits, so that a reader that stores numbers as doubles keeps it exact.
    """
    seeds: dict[int, None] = {}
    for repetition in range(1, count + 1):
        seeds[_derived(seed, "repetition", repetition, {seed}, seeds)] = None
    return tuple(seeds)


def _derived(seed: int, purpose: str, number: int, *taken: Container[int]) -> int:
    """The seed of 53 bits that `seed` has for this purpose and number; none of those `taken`."""
    for attempt in itertools.count():
        digest = hashlib.sha256(f"{seed}/{purpose}/{number}/{attempt}".encode()).digest()
        derived = int.from_bytes(digest[:8], "big") >> 11
        if not any(derived in others for others in taken):
            return derived
    raise AssertionError  # count() never ends

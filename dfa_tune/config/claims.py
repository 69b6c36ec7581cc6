"""The claims that `dfa-tune verify` checks: the keys of a claims file, and the types of their values.

A claim is a statement about one number per repetition; methods are compared in pairs, by seed. docs/CLAIMS.md
explains the keys.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt, model_validator

from dfa_tune.bundled import bundled
from dfa_tune.config import yaml_file
from dfa_tune.config.schema import Natural
from dfa_tune.config.validation import Path as KeyPath
from dfa_tune.config.validation import Source
from dfa_tune.errors import UserError, did_you_mean
from dfa_tune.learning.settings import Positive, Settings

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Value = str | StrictInt | StrictFloat | list[StrictInt]  # of an axis; a list is one value of `hidden`
MethodNames = Annotated[list[str], Field(min_length=1)]
MAX_PARTS = 10_000  # combinations of one claim


class Term(Settings):
    """One number per repetition: of a method at a point of the axes, or of a probe of its representation."""

    space: str | None = None  # null: the claim's
    method: str | None = None
    at: dict[str, Any] = Field(default_factory=dict)
    weight: Number = 1.0
    value: str = "test_accuracy"
    first: Natural | None = None  # the mean of so many rows from the start
    last: Natural = 1  # the mean of so many rows to the end, unless `first` is given
    slope: Literal["n", "d"] | None = None
    correlate: str | None = None
    probe: str | None = None
    layer: str | None = None

    @model_validator(mode="after")
    def _a_method_or_a_probe(self) -> Term:
        if (self.method is None) == (self.probe is None):
            raise ValueError("a term needs either a method, or a probe with its layer")
        if (self.probe is None) != (self.layer is None):
            raise ValueError("a probe needs a layer, and a method has none")
        return self


class Claim(Settings):
    """What all kinds of claims have. `space` is where terms look that name no space themselves."""

    id: str
    claim: str
    source: str = ""
    refuted_by: str = ""
    space: str

    @property
    def spaces(self) -> set[str]:
        """The names of the spaces whose results decide it."""
        return {self.space}


class Combination(Claim):
    """A claim about a sum of terms, for each combination of the values in `for_each`."""

    for_each: dict[str, Annotated[list[Value], Field(min_length=1)]] = Field(default_factory=dict)
    total: Annotated[list[dict[str, Any]], Field(min_length=1, alias="sum")]

    @property
    def spaces(self) -> set[str]:
        """The names of the spaces of all terms."""
        return {term.space or self.space for _, terms in self.parts() for term in terms}

    def parts(self) -> Iterator[tuple[str, list[Term]]]:
        """Each combination: its label ("lazy = ntk"), and its terms with the values filled in."""
        for label, terms in self.filled():
            yield label, [Term.model_validate(term) for term in terms]

    def filled(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """As `parts`, with the terms as plain data; raises ValueError where a placeholder has no values."""
        for values in itertools.product(*self.for_each.values()):
            chosen = dict(zip(self.for_each, values, strict=True))
            label = ", ".join(f"{name} = {_text(value)}" for name, value in chosen.items())
            yield label, [_filled(term, chosen) for term in self.total]


class Mean(Combination):
    """The mean over the repetitions is above or below a bound, or near one."""

    kind: Literal["mean"] = "mean"
    above: Number | None = None
    below: Number | None = None
    near: Number | None = None
    within: Positive | None = None

    @model_validator(mode="after")
    def _one_comparison(self) -> Mean:
        if sum(bound is not None for bound in (self.above, self.below, self.near)) != 1:
            raise ValueError("exactly one of above, below and near is needed")
        if (self.near is None) != (self.within is None):
            raise ValueError("near and within belong together")
        return self

    @property
    def expected(self) -> str:
        """The comparison in words."""
        count = len(list(self.parts()))
        each = f" (each of {count})" if count > 1 else ""
        if self.near is not None:
            return f"{self.near:g} ± {self.within:g}{each}"
        return (f"> {self.above:g}" if self.above is not None else f"< {self.below:g}") + each


class Some(Combination):
    """Some repetition in some combination is above a bound: seen once, it holds."""

    kind: Literal["some"]
    above: Number

    @property
    def expected(self) -> str:
        """The comparison in words."""
        return f"some > {self.above:g}"


class Spread(Claim):
    """The methods in `of` vary more between repetitions than those in `over`, at the point `at`."""

    kind: Literal["spread"]
    of: MethodNames
    over: MethodNames
    at: dict[str, Any] = Field(default_factory=dict)

    @property
    def expected(self) -> str:
        """The comparison in words."""
        return "ratio of spreads > 1"


class RatesRatio(Claim):
    """The tuned learning rates of the methods differ by a factor of at least `ratio`, at the point `at`."""

    kind: Literal["rates"]
    methods: MethodNames
    ratio: Positive
    at: dict[str, Any] = Field(default_factory=dict)

    @property
    def expected(self) -> str:
        """The comparison in words."""
        return f"factor of at least {self.ratio:g}"


AnyClaim = Mean | Some | Spread | RatesRatio
KINDS: dict[str, type[AnyClaim]] = {"mean": Mean, "some": Some, "spread": Spread, "rates": RatesRatio}


def load_claims(path: Path | None = None) -> list[AnyClaim]:
    """The claims of a YAML file, or of the thesis; raises UserError where one of them is not valid.

    Whether their spaces have the methods and axes that they name is another question: `claim_check`.
    """
    path = path or bundled("analysis") / "claims.yaml"
    document = yaml_file.parse(yaml_file.read(path), str(path))
    if not isinstance(document, list):
        raise UserError(f"{path}: not a list of claims")
    return parse_claims(document, Source(str(path)))


def parse_claims(
    entries: list[Any], source: Source, path: KeyPath = (), space: str | None = None
) -> list[AnyClaim]:
    """As `load_claims`, from plain data; `path` is the place of the list in its file.

    space: the space that all of them are about, where the claims themselves do not say so
    """
    if space is not None:
        for index, entry in enumerate(entries):
            if isinstance(entry, dict) and "space" in entry:
                reason = f"not a key of a space's own claims, which are about {space}; valid: leave it out"
                raise source.error((*path, index, "space"), reason, entry["space"])
        entries = [{"space": space} | entry if isinstance(entry, dict) else entry for entry in entries]
    claims = [_claim(entry, (*path, index), source) for index, entry in enumerate(entries)]
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        if claim.id in seen:
            raise source.error((*path, index, "id"), "another claim above has this id", claim.id)
        seen.add(claim.id)
    return claims


def _claim(entry: Any, path: KeyPath, source: Source) -> AnyClaim:
    # The model is chosen by hand: in pydantic's errors about a union the valid keys of its member are lost
    kind = entry.get("kind", "mean") if isinstance(entry, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        reason = f"valid: one of {', '.join(KINDS)}.{did_you_mean(kind, KINDS)}"
        raise source.error((*path, "kind"), reason, kind)
    claim = source.validate(KINDS[kind], entry, path)
    if isinstance(claim, Combination):
        if (parts := math.prod(map(len, claim.for_each.values()))) > MAX_PARTS:
            raise source.error((*path, "for_each"), f"{parts} combinations; valid: at most {MAX_PARTS}")
        try:
            filled = list(claim.filled())
        except ValueError as error:
            raise source.error((*path, "sum"), str(error)) from None
        for _, terms in filled:
            for index, term in enumerate(terms):
                source.validate(Term, term, (*path, "sum", index))
    return claim


def _filled(content: Any, chosen: Mapping[str, Value]) -> Any:
    """`content` with values in place of "{name}"; a text that is nothing else becomes the value itself."""
    if isinstance(content, dict):
        return {key: _filled(value, chosen) for key, value in content.items()}
    if not isinstance(content, str):
        return content
    names = re.findall(r"\{(\w+)\}", content)
    for name in names:
        if name not in chosen:
            valid = f"valid: {', '.join(chosen)}.{did_you_mean(name, chosen)}" if chosen else "there is none"
            raise ValueError(f"{{{name}}} is not in for_each; {valid}")
    if names and content == f"{{{names[0]}}}":
        return chosen[names[0]]
    return re.sub(r"\{(\w+)\}", lambda found: _text(chosen[found[1]]), content)


def _text(value: Value) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)

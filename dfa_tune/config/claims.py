"""The claims that `dfa-tune verify` checks: what a file of them may say.

A claim is a statement about a number for each repetition, compared in pairs by seed; `analysis/claims.yaml`
explains the keys, `evidence` finds the numbers, `verify` judges.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dfa_tune.bundled import bundled
from dfa_tune.config import yaml_file
from dfa_tune.config.validation import Source
from dfa_tune.errors import UserError
from dfa_tune.learning.settings import Positive, Settings

Natural = Annotated[int, Field(ge=1, strict=True)]


class Term(Settings):
    """One number a repetition: of a method at a point of the axes, or of a probe of its representation."""

    space: str | None = None  # null: the claim's
    method: str | None = None
    at: dict[str, Any] = Field(default_factory=dict)
    weight: float = 1.0
    value: str = "test_accuracy"
    first: Natural | None = None  # rows from the start
    last: Natural = 1  # rows to the end, unless `first` is given
    slope: Literal["n", "d"] | None = None
    correlate: str | None = None
    probe: str | None = None
    layer: str | None = None

    @model_validator(mode="after")
    def _a_method_or_a_probe(self) -> Term:
        if (self.method is None) == (self.probe is None):
            raise ValueError("a term has a method, or a probe with its layer")
        if (self.probe is None) != (self.layer is None):
            raise ValueError("a probe has a layer, and a method has none")
        return self


class Claim(Settings):
    """What all kinds of claims have. `space` is where terms look that name none."""

    id: str
    claim: str
    source: str
    refuted_by: str
    space: str

    @property
    def spaces(self) -> set[str]:
        """The names of the spaces whose results decide it."""
        return {self.space}


class Combination(Claim):
    """A claim about a sum of terms, for each combination of `for_each`."""

    for_each: dict[str, list[str | int]] = Field(default_factory=dict)
    total: Annotated[list[dict[str, Any]], Field(min_length=1, alias="sum")]

    @model_validator(mode="after")
    def _terms_are_valid(self) -> Combination:
        for _, terms in self.parts():
            assert terms
        return self

    @property
    def spaces(self) -> set[str]:
        return {term.space or self.space for _, terms in self.parts() for term in terms}

    def parts(self) -> Iterator[tuple[str, list[Term]]]:
        """Each combination: what it is called ("lazy = ntk"), and its terms with the values filled in."""
        for values in itertools.product(*self.for_each.values()):
            chosen = dict(zip(self.for_each, values, strict=True))
            label = ", ".join(f"{name} = {value}" for name, value in chosen.items())
            yield label, [Term.model_validate(_filled(term, chosen)) for term in self.total]


class Mean(Combination):
    """The mean over the repetitions is above or below a bound, or near one."""

    kind: Literal["mean"] = "mean"
    above: float | None = None
    below: float | None = None
    near: float | None = None
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
    """Some repetition in some combination is above a bound: nothing to test, it is there or not."""

    kind: Literal["some"]
    above: float

    @property
    def expected(self) -> str:
        """The comparison in words."""
        return f"some > {self.above:g}"


class Spread(Claim):
    """The methods in `of` vary more between seeds than those in `over`."""

    kind: Literal["spread"]
    of: list[str]
    over: list[str]

    @property
    def expected(self) -> str:
        """The comparison in words."""
        return "ratio of sd > 1"


class RatesRatio(Claim):
    """The methods' tuned learning rates differ by a factor of `ratio` at least."""

    kind: Literal["rates"]
    methods: list[str]
    ratio: Positive

    @property
    def expected(self) -> str:
        """The comparison in words."""
        return f"factor of at least {self.ratio:g}"


AnyClaim = Mean | Some | Spread | RatesRatio
KINDS: dict[str, type[AnyClaim]] = {"mean": Mean, "some": Some, "spread": Spread, "rates": RatesRatio}


def load_claims(path: Path | None = None) -> list[AnyClaim]:
    """The claims of a YAML file, the thesis' where none is given; raises UserError where one is not valid."""
    path = path or bundled("analysis") / "claims.yaml"
    source = Source(str(path))
    document = yaml_file.parse(yaml_file.read(path), str(path))
    if not isinstance(document, list):
        raise UserError(f"{path}: not a list of claims")
    claims = [_claim(entry, index, source) for index, entry in enumerate(document)]
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        if claim.id in seen:
            raise source.error((index, "id"), "another claim above has this id", claim.id)
        seen.add(claim.id)
    return claims


def _claim(entry: Any, index: int, source: Source) -> AnyClaim:
    kind = entry.get("kind", "mean") if isinstance(entry, dict) else None
    if kind not in KINDS:
        raise source.error((index, "kind"), f"valid: one of {', '.join(KINDS)}", kind)
    return source.validate(KINDS[kind], entry, (index,))


def _filled(content: Any, chosen: Mapping[str, str | int]) -> Any:
    """`content` with "{name}" replaced by the value chosen for that name; alone it keeps its type."""
    if isinstance(content, dict):
        return {key: _filled(value, chosen) for key, value in content.items()}
    if not isinstance(content, str):
        return content
    whole = {f"{{{name}}}": value for name, value in chosen.items()}
    return whole[content] if content in whole else content.format_map(chosen)

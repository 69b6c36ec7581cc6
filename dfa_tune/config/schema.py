"""The keys of a search space, and the types and bounds of their values."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from dfa_tune.config.method import DEFAULT_FEEDBACK, Split
from dfa_tune.config.validation import Path, Source
from dfa_tune.learning.settings import Positive, Settings

Metric = Literal["test_accuracy", "test_loss", "train_accuracy", "train_loss"]
DEFAULT_WINDOW = 10  # rows; the thesis compares learning rates by the mean of the last ten epochs
MAX_REPETITIONS = 20  # where no other maximum is given
REPETITION_FORMS = "a whole number of at least 1, or {min: N, max: N, until: decided}"
RATE_FORMS = "a number above 0, a list of them, or {low, high, points}"
_WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)
}


def _several(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


Names = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
Natural = Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]


class RateRange(Settings):
    """Log-spaced learning rates, both ends included; they are computed when asked for, not before.

    `points` is None where rates are drawn from the range instead.
    """

    low: Positive
    high: Positive
    points: Annotated[int, Field(ge=2, le=1_000_000_000, strict=True)] | None = None

    @model_validator(mode="after")
    def _ascending(self) -> RateRange:
        if self.low >= self.high:
            raise ValueError(
                f"low ({self.low:g}) must be below high ({self.high:g}); for one rate, give the number"
            )
        return self

    def __len__(self) -> int:
        return self.points or 2

    def values(self) -> tuple[float, ...]:
        """Ascending, rounded to 6 significant digits, so that trial ids are the same on every machine."""
        return spaced(self.low, self.high, len(self), log=True)


Rates = RateRange | tuple[float, ...]  # a tuple is ascending, each rate once; a single rate is not tuned


def spaced(low: float, high: float, points: int, *, log: bool) -> tuple[float, ...]:
    """`points` values from `low` to `high`, evenly spaced or log-spaced, with 6 significant digits each."""
    first, last = (math.log(low), math.log(high)) if log else (low, high)
    inner = (first + (last - first) / (points - 1) * i for i in range(1, points - 1))
    between = map(math.exp, inner) if log else inner
    return tuple(sorted({round_rate(value) for value in (low, *between, high)}))


class MethodEntry(Settings):
    """An entry of `methods`: every combination of the names in its lists."""

    rule: Names
    optimizer: Names
    feedback: Names = (DEFAULT_FEEDBACK,)  # ignored by rules that use none
    learning_rate: Any = None  # null: the one in learning_rates, by optimizer

    @field_validator("feedback", mode="before")
    @classmethod
    def _null_is_the_default(cls, value: object) -> object:
        return DEFAULT_FEEDBACK if value is None else value


class Stop(Settings):
    """Successive halving: after each of these epochs, the best `keep` of the trials are trained further."""

    after: Annotated[tuple[Natural, ...], Field(min_length=1)]
    keep: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]

    @field_validator("after")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("valid: epochs in ascending order, each once, such as [3, 7]")
        return value


Sampler = Literal["grid", "random", "tpe"]


class Tuning(Settings):
    """How learning rates are compared. `window` counts rows; in a loaded sweep it is always a number."""

    metric: Metric = "test_accuracy"
    window: Natural | None = None  # null: DEFAULT_WINDOW, or all rows where there are fewer
    split: Split = "test"
    seeds: Natural = 1  # the score of a learning rate is its mean over so many seeds
    refine: Annotated[int, Field(ge=0, le=1_000_000_000, strict=True)] = 0
    at: dict[str, Any] = Field(default_factory=dict)
    # Chosen together with the learning rate: lists or ranges, by dotted key (see `config.tuned`)
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    sampler: Sampler = "grid"
    trials: Natural | None = None  # settings that `random` and `tpe` try for each method
    stop: Stop | None = None  # null: every trial is trained to its last epoch

    @property
    def lower_is_better(self) -> bool:
        """Whether the metric is a loss."""
        return self.metric.endswith("_loss")

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which trials may be stopped."""
        return self.stop.after if self.stop is not None else ()


class HalfWidth(Settings):
    """Repeat a method until its mean final accuracy is known to +- `half_width`."""

    # An accuracy lies between 0 and 1, so half the width of any interval of it is at most 0.5
    half_width: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False, strict=True)]


class Repetitions(Settings):
    """How often a method is repeated at its learning rate: at least `min` and at most `max` times.

    `until` says when no more are needed: all claims about the space are decided, or an interval is narrow
    enough. It is null where the number is fixed.
    """

    min: Natural = 3
    max: Natural = MAX_REPETITIONS
    until: Any = "decided"  # or a HalfWidth, or null

    @model_validator(mode="after")
    def _max_is_not_below_min(self) -> Repetitions:
        if self.max < self.min:
            raise ValueError(f"max ({self.max}) is below min ({self.min}); valid: at least {self.min}")
        return self


class Space(Settings):
    """The top-level keys of a search space.

    `problem`, `network`, `training` and an optimizer's options may hold lists, which are axes: they are
    validated value by value when the axes are multiplied.
    """

    name: str
    title: str = ""
    variant_of: str | None = None  # a bundled space, whose figure and claims are used for this one
    problem: dict[str, Any]
    network: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    methods: Annotated[list[dict[str, Any]], Field(min_length=1)]
    learning_rates: dict[str, Any] = Field(default_factory=dict)
    optimizers: dict[str, Any] = Field(default_factory=dict)  # options by optimizer; lists are axes
    tuning: Tuning = Tuning()
    repetitions: Any = 3
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0  # a column of 64 bits
    save_weights: bool = False
    claims: list[Any] = Field(default_factory=list)  # as in a file of claims, without `space`

    @field_validator("name")
    @classmethod
    def _is_a_folder_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", value):
            raise ValueError(
                "valid: letters, digits, _ and -, at most 100 of them; results lie in a folder of this name"
            )
        if value.lower() in _WINDOWS_DEVICES:
            raise ValueError("Windows reserves this name for a device; valid: any other name")
        return value


def parse_rates(value: Any, path: Path, source: Source) -> Rates:
    """Learning rates in any of their three forms; `path` is their place in the space, for messages."""
    if isinstance(value, dict):
        return source.validate(RateRange, value, path)
    if not isinstance(value, list):
        return (_rate(value, path, source),)
    if not value:
        raise source.error(path, f"valid: {RATE_FORMS}", value)
    return tuple(sorted({_rate(item, (*path, index), source) for index, item in enumerate(value)}))


def parse_repetitions(value: Any, source: Source) -> Repetitions:
    """The repetitions: a number is exactly so many; raises UserError where it is neither that nor a range."""
    path: Path = ("repetitions",)
    if not isinstance(value, dict):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000_000:
            raise source.error(path, f"valid: {REPETITION_FORMS}", value)
        return Repetitions(min=value, max=value, until=None)
    found = source.validate(Repetitions, value, path)
    if isinstance(found.until, dict):
        until = source.validate(HalfWidth, found.until, (*path, "until"))
        return found.model_copy(update={"until": until})
    if found.until != "decided":
        raise source.error(
            (*path, "until"), "valid: decided, or {half_width: W} with W above 0 and below 0.5", found.until
        )
    return found


def rate_values(rates: Rates) -> tuple[float, ...]:
    """The learning rates themselves, ascending."""
    return rates.values() if isinstance(rates, RateRange) else rates


def _rate(value: Any, path: Path, source: Source) -> float:
    try:
        rate = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if not 0 < rate < math.inf:
        raise source.error(path, f"valid: {RATE_FORMS}", value)
    return rate


def round_rate(rate: float, digits: int = 6) -> float:
    """`rate` rounded to `digits` significant digits."""
    return float(f"{rate:.{digits}g}")

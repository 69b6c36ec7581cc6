"""Whether what a problem draws can be trained on.

Training itself would not notice most of this: labels outside the classes, for example, give numbers that mean
nothing. Each function raises UserError, which names the problem, what was found and what is valid.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dfa_tune.errors import UserError
from dfa_tune.problems.epoch_sample import EpochSample, Problem
from dfa_tune.problems.settings import ProblemSettings

ITEM_TYPES = ("uint8", "int8", "int16", "int32", "int64", "float32", "float64")


def check_scale(problem: Problem) -> None:
    """Inputs can be normalised: (value - mean) / std."""
    if not (math.isfinite(problem.mean) and 0 < problem.std < math.inf):
        raise _error(
            problem.settings,
            f"its inputs have mean {problem.mean} and standard deviation {problem.std}",
            "a finite mean, and a finite standard deviation above 0",
        )


def check_sample(sample: EpochSample, settings: ProblemSettings, samples: int | None, what: str) -> None:
    """The tuples of an epoch or a test, which `what` names in messages, made of items that are valid.

    samples: how many tuples there should be; None: any number.
    """
    labels: Any = sample.labels  # whatever a problem of one's own may give
    indices: Any = sample.indices
    items = sample.items
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iub":
        raise _error(
            settings,
            f"the labels of {what} are {_described(labels)}",
            "one whole number for each tuple, an array of integers of shape (tuples,)",
        )
    if not len(labels) or (samples is not None and len(labels) != samples):
        raise _error(settings, f"{what} has {len(labels)} tuples", f"{samples or 'at least one'}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= settings.classes:
        wrong = low if low < 0 else high
        raise _error(
            settings,
            f"a label of {what} is {wrong}",
            f"whole numbers from 0 to {settings.classes - 1}, for {settings.classes} classes",
        )
    if not isinstance(indices, np.ndarray) or indices.dtype.kind not in "iu" or indices.ndim != 2:
        raise _error(
            settings,
            f"the indices of {what} are {_described(indices)}",
            "an array of integers of shape (tuples, items of each)",
        )
    if len(indices) != len(labels) or not indices.shape[1]:
        raise _error(
            settings,
            f"{what} has {len(labels)} labels and indices of shape {indices.shape}",
            f"({len(labels)}, items of each tuple)",
        )
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= len(items):
        wrong = low if low < 0 else high
        raise _error(
            settings, f"an index of {what} is {wrong}", f"0 to {len(items) - 1}, for {len(items)} items"
        )
    if (inputs := math.prod((indices.shape[1], *items.shape[1:]))) != settings.inputs:
        raise _error(
            settings,
            f"tuples of {what} have {inputs} inputs: {indices.shape[1]} items of shape {items.shape[1:]}",
            f"{settings.inputs}, as its settings say",
        )


def check_items(items: Any, settings: ProblemSettings) -> None:
    """The items that tuples are made of."""
    if not isinstance(items, np.ndarray) or items.ndim != 3 or items.dtype not in map(np.dtype, ITEM_TYPES):
        raise _error(
            settings,
            f"its items are {_described(items)}",
            f"an array of shape (items, rows, columns), of type {', '.join(ITEM_TYPES)}",
        )
    if items.dtype.kind == "f" and not np.isfinite(items).all():
        place = tuple(int(n) for n in np.argwhere(~np.isfinite(items))[0])
        raise _error(settings, f"item {place[0]} has the value {items[place]}", "finite numbers")


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return f"of the type {type(value).__name__}"


def _error(settings: ProblemSettings, found: str, valid: str) -> UserError:
    return UserError(f"problem {settings.kind!r}: {found}; valid: {valid}")

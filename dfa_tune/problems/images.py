"""Labelled images in memory: their digest, the moments of their pixels, and parts of them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfa_tune.errors import UserError
from dfa_tune.problems.streams import generator

CHUNK = 1024  # images at a time, where a calculation would make much larger numbers of them
HELD_OUT = 6  # of so many training images, one is for validation


@dataclass(frozen=True)
class Images:
    """Images (N, rows, columns), uint8 or float32, and their labels (N,), whole numbers from 0."""

    pixels: NDArray[Any]
    labels: NDArray[Any]


@dataclass(frozen=True)
class Part:
    """Some images of a data set, by their positions; the pixels are shared, not copied."""

    images: Images
    positions: NDArray[np.int64]


def digest(*parts: Images) -> str:
    """16 hex characters: a hash of the arrays' shapes, types and contents."""
    sha = hashlib.sha256()
    for images in parts:
        for array in (images.pixels, images.labels):
            sha.update(repr((array.shape, array.dtype.str)).encode())
            sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()[:16]


def density(*parts: Images) -> float:
    """The share of the images' values that are not zero: like the digest, a property of their content."""
    values = sum(images.pixels.size for images in parts)
    return sum(int(np.count_nonzero(images.pixels)) for images in parts) / values


def moments(part: Part) -> tuple[float, float]:
    """Mean and standard deviation of the pixels; for bytes from exact sums.

    A thousand images at a time: NumPy's own functions would convert all of them to 64-bit numbers at once.
    """
    pixels, positions = part.images.pixels, part.positions
    chunks = [positions[start : start + CHUNK] for start in range(0, len(positions), CHUNK)]
    count = len(positions) * math.prod(pixels.shape[1:])
    if pixels.dtype != np.uint8:
        mean = math.fsum(pixels[chunk].sum(dtype=np.float64) for chunk in chunks) / count
        squares = (np.square(pixels[chunk] - np.float64(mean)).sum() for chunk in chunks)
        return mean, math.sqrt(math.fsum(squares) / count)
    counts = np.zeros(256, np.int64)
    for chunk in chunks:
        counts += np.bincount(pixels[chunk].reshape(-1), minlength=256)
    value = np.arange(256)
    total, squares_sum = int(counts @ value), int(counts @ value**2)
    return total / count, math.sqrt(squares_sum * count - total**2) / count


def every(images: Images) -> Part:
    """All of them."""
    return Part(images, np.arange(len(images.labels)))


def hold_out(images: Images) -> tuple[Part, Part]:
    """The training images without a sixth of them, and that sixth, which is the same whatever the seed.

    Raises UserError where there are not six.
    """
    if len(images.labels) < HELD_OUT:
        raise UserError(
            f"{len(images.labels)} training images, so none can be held out for validation;"
            f" valid: {HELD_OUT} or more, or tuning.split: test"
        )
    order = generator(0, "validation").permutation(len(images.labels))
    cut = len(order) - len(order) // HELD_OUT
    return Part(images, order[:cut]), Part(images, order[cut:])


def hold_out_by_class(images: Images) -> tuple[Part, Part]:
    """As `hold_out`, a sixth of each class. Raises UserError where no class has six images."""
    kept, held = [], []
    for label in np.unique(images.labels).tolist():
        own = np.flatnonzero(images.labels == label)
        order = generator(0, "validation", label).permutation(own)
        cut = len(own) - len(own) // HELD_OUT
        kept.append(order[:cut])
        held.append(order[cut:])
    if not sum(map(len, held)):
        raise UserError(
            f"no class has {HELD_OUT} training images, so none can be held out for validation;"
            " valid: tuning.split: test"
        )
    return Part(images, np.concatenate(kept)), Part(images, np.concatenate(held))


def permuted(rng: np.random.Generator, count: int, samples: int) -> NDArray[np.int64]:
    """`samples` of `count` positions without replacement; beyond `count`, further permutations follow."""
    rounds = -(-samples // count)
    return np.concatenate([rng.permutation(count) for _ in range(rounds)])[:samples]

"""Parity of k stacked digits (thesis section 2.1; Daniely and Malach 2020).

A tuple is k images side by side, and its label is the parity of the sum of their digits. Every epoch draws
new tuples, for training and for testing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dfa_tune.problems.datasets import DATASETS, Images, load_images, moments
from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.settings import Count, ProblemSettings
from dfa_tune.problems.streams import generator


class Settings(ProblemSettings):
    """The fields of `problem` in a search space, for `kind: parity`."""

    kind: Literal["parity"] = "parity"
    dataset: Literal["digits", "mnist", "fashion-mnist", "kmnist"] = "mnist"
    k: Annotated[int, Field(ge=1, le=64, strict=True)] = 3  # digits in a tuple
    train_samples: Count | None = None  # tuples in a training epoch; null: as many as training images
    test_samples: Count | None = None  # tuples in a test; null: as many as test images

    def resolved(self) -> Settings:
        """The same problem with its sample counts written out: what a trial's id is made from."""
        sizes = DATASETS[self.dataset]
        return self.model_copy(
            update={
                "train_samples": self.train_samples or sizes.train,
                "test_samples": self.test_samples or sizes.test,
            }
        )

    @property
    def samples(self) -> int:
        """Tuples in a training epoch: by default as many as there are training images."""
        return self.train_samples or DATASETS[self.dataset].train

    @property
    def inputs(self) -> int:
        """Pixels of k images."""
        rows, columns = DATASETS[self.dataset].shape
        return self.k * rows * columns

    @property
    def items(self) -> int:
        """All images of the data set."""
        return DATASETS[self.dataset].train + DATASETS[self.dataset].test

    @property
    def tuple_items(self) -> int:
        """k images."""
        return self.k


@dataclass(frozen=True)
class Part:
    """Some of a data set's images, by their positions; the pixels are shared, not copied."""

    images: Images
    positions: NDArray[np.int64]


_Settings = Settings  # for annotations inside Problem, where the name is an attribute


class Problem:
    """Tuples of k images, labelled by the parity of their digits' sum.

    `split` "test": trained on all training images, tested on the test images. "validation": a sixth of the
    training images is held out and tested on, so that no test image takes part in choosing a learning rate.
    """

    Settings: ClassVar = Settings

    def __init__(self, settings: _Settings, data: str | Path | None = None, split: str = "test") -> None:
        self.settings = settings.resolved()
        training, testing = load_images(settings.dataset, data)
        self._training, self._testing = _every(training), _every(testing)
        if split == "validation":
            self._training, self._testing = _hold_out(training)
        # Of the images trained on: mean 33.3 and standard deviation 78.6 for MNIST
        self.mean, self.std = moments(training.pixels, self._training.positions)
        self.inputs = settings.k * training.pixels[0].size
        # The thesis samples MNIST by permutations; `digits` has too few images for an epoch of them
        self._replace = settings.dataset == "digits"

    def train(self, seed: int, epoch: int) -> EpochSample:
        """New training tuples: (train_samples, k) indices from the stream "train"."""
        assert self.settings.train_samples is not None
        return self._draw(self._training, self.settings.train_samples, generator(seed, "train", epoch))

    def test(self, seed: int, epoch: int) -> EpochSample:
        """New test tuples: (test_samples, k) indices from the stream "test"."""
        assert self.settings.test_samples is not None
        return self._draw(self._testing, self.settings.test_samples, generator(seed, "test", epoch))

    def _draw(self, part: Part, samples: int, rng: np.random.Generator) -> EpochSample:
        count = len(part.positions)
        if self._replace:
            drawn = rng.integers(0, count, (samples, self.settings.k))
        else:
            drawn = np.stack([_permuted(rng, count, samples) for _ in range(self.settings.k)], axis=1)
        images, indices = part.images, part.positions[drawn]
        labels = images.digits[indices].sum(axis=1, dtype=np.int64) % 2
        return EpochSample(images.pixels, indices, labels.astype(np.uint8))


def _permuted(rng: np.random.Generator, count: int, samples: int) -> NDArray[np.int64]:
    """`samples` of `count` positions without replacement; beyond `count`, further permutations follow."""
    rounds = -(-samples // count)
    return np.concatenate([rng.permutation(count) for _ in range(rounds)])[:samples]


def _every(images: Images) -> Part:
    return Part(images, np.arange(len(images.digits)))


def _hold_out(images: Images) -> tuple[Part, Part]:
    """A sixth of the training images (MNIST: 10,000), the same whatever the seed, as a validation set."""
    order = generator(0, "validation").permutation(len(images.digits))
    cut = len(order) - len(order) // 6
    return Part(images, order[:cut]), Part(images, order[cut:])

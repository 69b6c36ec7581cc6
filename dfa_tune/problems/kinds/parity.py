"""Parity of k stacked digits (thesis section 2.1; Daniely and Malach 2020).

A tuple is k images side by side, and its label is the parity of the sum of their digits. Every epoch draws
new tuples, for training and for testing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from dfa_tune.problems.datasets import load_images
from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.image_settings import ImageSettings
from dfa_tune.problems.images import Part, density, every, hold_out, moments, permuted
from dfa_tune.problems.streams import generator


class Settings(ImageSettings):
    """The fields of `problem` in a search space, for `kind: parity`."""

    kind: Literal["parity"] = "parity"
    k: Annotated[int, Field(ge=1, le=64, strict=True)] = 3  # images in a tuple

    @property
    def tuple_items(self) -> int:
        """k images."""
        return self.k


_Settings = Settings  # for annotations inside Problem, where the name is an attribute


class Problem:
    """Tuples of k images, labelled by the parity of their digits' sum.

    `split` "test": trained on all training images, tested on the test images. "validation": a sixth of the
    training images is held out and tested on, so that no test image takes part in choosing a learning rate.
    """

    Settings: ClassVar = Settings

    def __init__(self, settings: _Settings, data: str | Path | None = None, split: str = "test") -> None:
        self.settings = settings.resolved()
        training, testing = load_images(self.settings.dataset, data)
        self._training, self._testing = every(training), every(testing)
        if split == "validation":
            self._training, self._testing = hold_out(training)
        # Of the images trained on: mean 33.3 and standard deviation 78.6 for MNIST
        self.mean, self.std = moments(self._training)
        self.inputs = self.settings.inputs
        self.density = density(training, testing)
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

    def final_test(self, seed: int, epoch: int) -> EpochSample:
        """As `test`, (final_test_samples, k) indices."""
        assert self.settings.final_test_samples is not None
        return self._draw(self._testing, self.settings.final_test_samples, generator(seed, "test", epoch))

    def _draw(self, part: Part, samples: int, rng: np.random.Generator) -> EpochSample:
        count = len(part.positions)
        if self._replace:
            drawn = rng.integers(0, count, (samples, self.settings.k))
        else:
            drawn = np.stack([permuted(rng, count, samples) for _ in range(self.settings.k)], axis=1)
        images, indices = part.images, part.positions[drawn]
        labels = images.labels[indices].sum(axis=1, dtype=np.int64) % 2
        return EpochSample(images.pixels, indices, labels.astype(np.uint8))

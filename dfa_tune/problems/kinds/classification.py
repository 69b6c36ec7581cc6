"""Classification of images into the classes of their data set.

An epoch visits each training image once, in an order of its own; a test has all test images.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dfa_tune.problems.datasets import about, load_images
from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.image_settings import ImageSettings
from dfa_tune.problems.images import Part, density, every, hold_out_by_class, moments, permuted
from dfa_tune.problems.streams import generator


class Settings(ImageSettings):
    """The fields of `problem` in a search space, for `kind: classification`."""

    kind: Literal["classification"] = "classification"

    @property
    def classes(self) -> int:
        """Classes of the data set."""
        return about(self._file).classes


_Settings = Settings  # for annotations inside Problem, where the name is an attribute


class Problem:
    """Images with their classes.

    `split` "test": trained on all training images, tested on the test images. "validation": a sixth of each
    class's training images is held out and tested on, so that no test image takes part in choosing a learning
    rate; an epoch then has the images that are left.
    """

    Settings: ClassVar = Settings

    def __init__(self, settings: _Settings, data: str | Path | None = None, split: str = "test") -> None:
        self.settings = settings.resolved()
        training, testing = load_images(self.settings.dataset, data)
        self._training, self._testing = every(training), every(testing)
        if split == "validation":
            self._training, self._testing = hold_out_by_class(training)
        self.mean, self.std = moments(self._training)
        self.inputs = self.settings.inputs
        self.density = density(training, testing)

    def train(self, seed: int, epoch: int) -> EpochSample:
        """The training images in the epoch's order; with a smaller `train_samples`, the first ones of it."""
        assert self.settings.train_samples is not None
        given = self.settings.train_samples
        count = len(self._training.positions)
        whole = given == len(self._training.images.labels)
        samples = count if whole else given
        return _sample(self._training, permuted(generator(seed, "train", epoch), count, samples))

    def test(self, seed: int, epoch: int) -> EpochSample:
        """All test images, or a new choice of as many as `test_samples` says."""
        assert self.settings.test_samples is not None
        return self._test(seed, epoch, self.settings.test_samples)

    def final_test(self, seed: int, epoch: int) -> EpochSample:
        """As `test`, with `final_test_samples` in place of `test_samples`."""
        assert self.settings.final_test_samples is not None
        return self._test(seed, epoch, self.settings.final_test_samples)

    def _test(self, seed: int, epoch: int, samples: int) -> EpochSample:
        count = len(self._testing.positions)
        if samples >= count:
            return _sample(self._testing, np.arange(count))
        return _sample(self._testing, permuted(generator(seed, "test", epoch), count, samples))


def _sample(part: Part, chosen: NDArray[np.int64]) -> EpochSample:
    positions = part.positions[chosen]
    return EpochSample(part.images.pixels, positions[:, None], part.images.labels[positions])

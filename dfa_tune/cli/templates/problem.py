"""NAME: are most of the bits 1? A linear problem: every rule should learn it.

Change `Settings`, whose fields are the keys of `problem:` in a search space, and what `Problem` draws.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import field_validator

from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.settings import Count, ProblemSettings
from dfa_tune.problems.streams import generator


class Settings(ProblemSettings):
    """The fields of `problem` in a search space, for `kind: NAME`."""

    kind: Literal["NAME"] = "NAME"
    bits: Count = 15
    train_samples: Count = 2000
    test_samples: Count = 1000

    @field_validator("bits")
    @classmethod
    def _no_ties(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("an even number of bits can tie; valid: an odd one")
        return value

    @property
    def inputs(self) -> int:
        """Numbers in a tuple."""
        return self.bits

    @property
    def samples(self) -> int:
        """Training tuples in an epoch: what `batch_size: full` means."""
        return self.train_samples


_Settings = Settings  # for annotations inside Problem, where the name is an attribute


class Problem:
    """Fresh bits at each epoch. The network sees (value - mean) / std."""

    Settings: ClassVar[type] = Settings
    mean, std = 0.5, 0.5

    def __init__(self, settings: _Settings, data: str | Path | None = None, split: str = "test") -> None:
        self.settings, self.inputs = settings, settings.inputs
        self._tested = split  # "validation" is drawn from a stream of its own

    def train(self, seed: int, epoch: int) -> EpochSample:
        """The training tuples of an epoch."""
        return self._draw(self.settings.train_samples, generator(seed, "train", epoch))

    def test(self, seed: int, epoch: int) -> EpochSample:
        """The test tuples of an epoch."""
        return self._draw(self.settings.test_samples, generator(seed, self._tested, epoch))

    def _draw(self, count: int, rng: np.random.Generator) -> EpochSample:
        bits = rng.integers(0, 2, (count, 1, self.inputs), dtype=np.uint8)
        labels = (2 * bits.sum(axis=(1, 2), dtype=np.int64) > self.inputs).astype(np.uint8)
        return EpochSample(bits, np.arange(count)[:, None], labels)

"""What a problem hands to the training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from dfa_tune.problems.settings import ProblemSettings


@dataclass(frozen=True)
class EpochSample:
    """The tuples of one epoch, or of one test, as indices into a shared array.

    Tuple i is the items at `indices[i]` side by side, flattened row by row. Nothing is copied until a batch
    is gathered: 60,000 tuples of three digits would be 140 MB as bytes.
    """

    items: NDArray[Any]  # (M, rows, columns), uint8 or float32
    indices: NDArray[np.int64]  # (N, k)
    labels: NDArray[np.integer[Any]]  # (N,): 0 to classes - 1

    def gather(self, part: slice = slice(None)) -> NDArray[Any]:
        """The flattened inputs of some tuples: (N, rows * k * columns), in the items' type."""
        stacked = self.items[self.indices[part]]  # (N, k, rows, columns)
        return stacked.transpose(0, 2, 1, 3).reshape(len(stacked), -1)


class Problem(Protocol):
    """What is learnt. A tuple has `inputs` values, and the network sees (value - mean) / std.

    It may have an attribute `density`, the share of all its values that are not zero; without it none counts
    as zero.
    """

    inputs: int
    mean: float
    std: float
    Settings: ClassVar[Any]

    @property
    def settings(self) -> ProblemSettings:
        """What was asked for."""
        ...

    def train(self, seed: int, epoch: int) -> EpochSample:
        """The training tuples of an epoch (from 1) under `seed`."""
        ...

    def test(self, seed: int, epoch: int) -> EpochSample:
        """The tuples that this epoch's test uses under `seed`, from a stream of their own."""
        ...


class FinalTest(Problem, Protocol):
    """A problem whose settings have `final_test_samples`."""

    def final_test(self, seed: int, epoch: int) -> EpochSample:
        """As `test`, with so many tuples: asked for at the last epoch."""
        ...

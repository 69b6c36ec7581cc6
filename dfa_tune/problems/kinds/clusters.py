"""Randomly labelled clusters (thesis section 2.2; Chizat and Bach 2020).

In the first two of d dimensions, c^2 clusters lie on a grid. The other dimensions are noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.settings import Count, ProblemSettings
from dfa_tune.problems.streams import generator

Label = Annotated[int, Field(ge=0, le=1, strict=True)]


class Settings(ProblemSettings):
    """The fields of `problem` in a search space, for `kind: clusters`."""

    kind: Literal["clusters"] = "clusters"
    clusters: Annotated[int, Field(ge=1, le=100, strict=True)] = 3  # c: a grid of c x c clusters
    n: Count = 256  # training points
    d: Annotated[int, Field(ge=2, le=100_000, strict=True)] = 15  # dimensions
    test_samples: Count = 4000
    final_test_samples: Count | None = None  # in the last epoch's test; null: as in the others
    labels: Literal["random"] | tuple[Label, ...] = "random"  # or one per cluster; p is at column p mod c
    radius: Literal["magnitude", "area"] = "magnitude"  # uniform in the radius (thesis), or on the disk

    @model_validator(mode="after")
    def _one_label_a_cluster(self) -> Settings:
        if self.labels != "random" and len(self.labels) != self.clusters**2:
            raise ValueError(
                f"labels has {len(self.labels)} entries; valid: 'random', or {self.clusters**2}"
                f" (clusters^2) zeros and ones"
            )
        return self

    @property
    def samples(self) -> int:
        """Training points, which every epoch visits once."""
        return self.n

    @property
    def inputs(self) -> int:
        """Coordinates of a point."""
        return self.d


_Settings = Settings  # for annotations inside Problem, where the name is an attribute


class Problem:
    """Points drawn once for each seed; each epoch visits the n training points in a new order."""

    Settings: ClassVar = Settings
    mean, std = 0.0, 1.0  # inputs are used as they are

    def __init__(self, settings: _Settings, data: str | Path | None = None, split: str = "test") -> None:
        self.settings, self._split = settings, split
        self.inputs = settings.inputs
        self._known: dict[tuple[int, str, int], tuple[NDArray[np.float32], NDArray[np.uint8]]] = {}

    def train(self, seed: int, epoch: int) -> EpochSample:
        """The seed's n training points, in the order of this epoch."""
        points, labels = self._points(seed, "train", self.settings.n)
        order = generator(seed, "train", epoch).permutation(len(labels))
        return EpochSample(points, order[:, None], labels[order])

    def test(self, seed: int, epoch: int) -> EpochSample:
        """The seed's test points, the same at every epoch; with `split` "validation" they are others."""
        return self._test(seed, self.settings.test_samples)

    def final_test(self, seed: int, epoch: int) -> EpochSample:
        """As `test`, `final_test_samples` points."""
        assert self.settings.final_test_samples is not None
        return self._test(seed, self.settings.final_test_samples)

    def _test(self, seed: int, count: int) -> EpochSample:
        points, labels = self._points(seed, self._split, count)
        return EpochSample(points, np.arange(len(labels))[:, None], labels)

    def _points(self, seed: int, stream: str, count: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        key = (seed, stream, count)
        if key not in self._known:
            points, cluster = sample_points(self.settings, count, generator(seed, stream))
            labels = cluster_labels(self.settings, seed)[cluster]
            self._known[key] = points.astype(np.float32)[:, None, :], labels
        return self._known[key]


def centres(clusters: int) -> NDArray[np.float64]:
    """The cluster centres (c^2, 2) in the unit square around 0; cluster p at column p mod c, row p div c."""
    spacing = 1 / (3 * clusters - 1)  # also the radius of a cluster
    line = spacing * (1 + 3 * np.arange(clusters)) - 0.5
    p = np.arange(clusters**2)
    return np.stack([line[p % clusters], line[p // clusters]], axis=1)


def cluster_labels(settings: Settings, seed: int) -> NDArray[np.uint8]:
    """The label of each cluster (c^2,): as given, or half (rounded down) 0, chosen by the seed alone."""
    if settings.labels != "random":
        return np.array(settings.labels, np.uint8)
    count = settings.clusters**2
    labels = np.ones(count, np.uint8)
    labels[generator(seed, "labels").permutation(count)[: count // 2]] = 0
    return labels


def sample_points(
    settings: Settings, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (count, d) and the cluster of each (count,): Chizat and Bach 2020, section 5."""
    cluster = rng.integers(0, settings.clusters**2, count)
    angle = rng.uniform(0, 2 * np.pi, count)
    share = rng.uniform(0, 1, count)
    if settings.radius == "area":
        share = np.sqrt(share)  # uniform on the disk
    radius = share / (3 * settings.clusters - 1)
    offset = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    noise = rng.uniform(-0.5, 0.5, (count, settings.d - 2))
    return np.concatenate([centres(settings.clusters)[cluster] + offset, noise], axis=1), cluster

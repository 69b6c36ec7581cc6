"""What a problem draws is checked, whatever it draws, and the message says where, what and what would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dfa_tune.errors import UserError
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.kinds import clusters

SETTINGS = clusters.Settings(n=20, d=3, test_samples=10)
Change = Callable[[EpochSample], dict[str, Any]]


class Spoilt(clusters.Problem):
    """Clusters whose tuples are changed in one epoch, of training or of testing."""

    def __init__(self, change: Change, part: str, epoch: int) -> None:
        super().__init__(SETTINGS)
        self._change, self._where = change, (part, epoch)

    def train(self, seed: int, epoch: int) -> EpochSample:
        return self._spoilt(super().train(seed, epoch), ("train", epoch))

    def test(self, seed: int, epoch: int) -> EpochSample:
        return self._spoilt(super().test(seed, epoch), ("test", epoch))

    def _spoilt(self, sample: EpochSample, where: tuple[str, int]) -> EpochSample:
        if where != self._where:
            return sample
        return EpochSample(**(vars(sample) | self._change(sample)))


def train(problem: clusters.Problem, seeds: tuple[int, ...] = (0, 1)) -> None:
    members = [Member(0.1, seed) for seed in seeds]
    training = PackTraining(
        problem, Network(hidden=(4,)), Training(epochs=2, batch_size=8), "bp", "sgd", members
    )
    while not training.finished:
        training.run_epoch()


def first(array: np.ndarray, value: Any) -> np.ndarray:
    """A copy whose first number is another one."""
    changed = array.copy()
    changed.flat[0] = value
    return changed


OF_TUPLES: dict[str, tuple[Change, str]] = {
    "a label above the classes": (
        lambda s: {"labels": first(s.labels, 2)},
        "label of .* is 2; valid: .* 0 to 1",
    ),
    "a negative label": (lambda s: {"labels": s.labels.astype(int) * 2 - 1}, "label of .* is -1;"),
    "labels that are no whole numbers": (
        lambda s: {"labels": s.labels / 2},
        "float64.*valid: one whole number",
    ),
    "labels in a column": (lambda s: {"labels": s.labels[:, None]}, r"shape \(\d+, 1\)"),
    "a label too few": (lambda s: {"labels": s.labels[:-1]}, "tuples|indices of shape"),
    "an index beyond the items": (
        lambda s: {"indices": first(s.indices, 99)},
        "index of .* is 99; valid: 0 to",
    ),
    "a negative index": (lambda s: {"indices": first(s.indices, -1)}, "index of .* is -1;"),
    "indices without the items' axis": (
        lambda s: {"indices": s.indices[:, 0]},
        "indices of .*valid: an array",
    ),
    "two items for one": (lambda s: {"indices": np.tile(s.indices, 2)}, "have 6 inputs.*valid: 3"),
    "no tuple at all": (lambda s: {"labels": s.labels[:0], "indices": s.indices[:0]}, "has 0 tuples"),
}


OF_ITEMS: dict[str, tuple[Change, str]] = {
    "a value that is not finite": (lambda s: {"items": first(s.items, np.nan)}, "item 0 has the value nan"),
    "items that are objects": (
        lambda s: {"items": s.items.astype(object)},
        "array of object.*valid: .*uint8",
    ),
    "flat items": (lambda s: {"items": s.items[:, 0]}, r"shape \(\d+, 3\); valid: an array of shape"),
}
EPOCHS = pytest.mark.parametrize(("part", "epoch"), [("train", 1), ("train", 2), ("test", 1), ("test", 2)])


@EPOCHS
@pytest.mark.parametrize("change", OF_TUPLES)
def test_tuples_that_cannot_be_trained_on_are_refused(change: str, part: str, epoch: int) -> None:
    spoil, says = OF_TUPLES[change]
    with pytest.raises(UserError, match=says) as caught:
        train(Spoilt(spoil, part, epoch))
    where = f"training epoch {epoch}" if part == "train" else f"the test of epoch {epoch}"
    assert "problem 'clusters': " in str(caught.value)
    assert where in str(caught.value)


@EPOCHS
@pytest.mark.parametrize("change", OF_ITEMS)
def test_items_that_cannot_be_trained_on_are_refused(change: str, part: str, epoch: int) -> None:
    spoil, says = OF_ITEMS[change]
    with pytest.raises(UserError, match=f"problem 'clusters': .*{says}"):
        train(Spoilt(spoil, part, epoch))


def test_an_epoch_of_another_length_is_refused() -> None:
    def shorter(sample: EpochSample) -> dict[str, Any]:
        return {"labels": sample.labels[:-1], "indices": sample.indices[:-1]}

    with pytest.raises(UserError, match="training epoch 2 has 19 tuples; valid: 20"):
        train(Spoilt(shorter, "train", 2))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint16])
def test_labels_of_any_whole_type_are_the_same_labels(dtype: type) -> None:
    train(Spoilt(lambda sample: {"labels": sample.labels.astype(dtype)}, "train", 1))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.0), (0.0, np.nan), (np.inf, 1.0)])
def test_inputs_that_cannot_be_normalised_are_refused(mean: float, std: float) -> None:
    problem = clusters.Problem(SETTINGS)
    problem.mean, problem.std = mean, std
    with pytest.raises(UserError, match=r"standard deviation .*valid: a finite mean"):
        train(problem)

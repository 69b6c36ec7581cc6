"""Classification: each image once an epoch, the whole test set, a validation split by class."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dfa_tune.problems.datasets import load_images, raw_files
from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.kinds.classification import Problem, Settings

SEEDS = st.integers(0, 2**31)
TRAIN, TEST = 36, 12  # images in the small data set
FASHION = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
DIGITS = Problem(Settings(dataset="digits"))


def order(sample: EpochSample) -> list[int]:
    return [int(index) for index in sample.indices[:, 0]]


@given(seed=SEEDS, epoch=st.integers(1, 100))
@settings(max_examples=20)
def test_an_epoch_has_each_training_image_once_with_its_own_label(seed: int, epoch: int) -> None:
    train, _ = load_images("digits")
    sample = DIGITS.train(seed, epoch)
    assert sorted(order(sample)) == list(range(len(train.labels)))
    np.testing.assert_array_equal(sample.labels, train.labels[sample.indices[:, 0]])
    np.testing.assert_array_equal(sample.gather(slice(0, 3)), train.pixels[order(sample)[:3]].reshape(3, -1))


@given(seed=SEEDS, epoch=st.integers(1, 100))
@settings(max_examples=20)
def test_the_order_is_that_of_seed_and_epoch_alone(seed: int, epoch: int) -> None:
    other = Problem(Settings(dataset="digits", test_samples=20))
    other.test(seed, epoch)
    other.train(seed, epoch + 1)
    assert order(other.train(seed, epoch)) == order(DIGITS.train(seed, epoch))
    assert order(DIGITS.train(seed, epoch)) != order(DIGITS.train(seed, epoch + 1))
    assert order(DIGITS.train(seed, epoch)) != order(DIGITS.train(seed + 1, epoch))


def test_a_smaller_epoch_is_the_beginning_of_the_whole_one() -> None:
    smaller = Problem(Settings(dataset="digits", train_samples=100))
    assert order(smaller.train(3, 2)) == order(DIGITS.train(3, 2))[:100]


def test_every_test_has_all_test_images() -> None:
    _, test = load_images("digits")
    for seed, epoch in ((0, 1), (5, 9)):
        sample = DIGITS.test(seed, epoch)
        assert order(sample) == list(range(len(test.labels)))
        np.testing.assert_array_equal(sample.labels, test.labels)


def test_a_smaller_test_is_another_choice_at_each_epoch() -> None:
    smaller = Problem(Settings(dataset="digits", test_samples=50))
    first, second = smaller.test(0, 1), smaller.test(0, 2)
    assert len(set(order(first))) == len(set(order(second))) == 50
    assert order(first) != order(second)


def test_a_validation_split_holds_out_a_sixth_of_each_class_whatever_the_seed() -> None:
    train, _ = load_images("digits")
    problem = Problem(Settings(dataset="digits"), split="validation")
    held, kept = order(problem.test(0, 1)), order(problem.train(0, 1))
    assert held == order(problem.test(7, 3))
    assert sorted(held + kept) == list(range(len(train.labels)))
    for label in range(10):
        of_class = np.flatnonzero(train.labels == label)
        assert len(set(held) & set(of_class.tolist())) == len(of_class) // 6
    assert len(problem.train(0, 2).labels) == len(kept)  # each once, and no other


def test_inputs_are_normalised_by_the_images_that_are_trained_on() -> None:
    for split in ("test", "validation"):
        problem = Problem(Settings(dataset="digits"), split=split)
        sample = problem.train(0, 1)
        pixels = sample.items[np.unique(sample.indices)].astype(np.float64)
        assert (problem.mean, problem.std) == pytest.approx((pixels.mean(), pixels.std()))


def test_settings_know_inputs_classes_and_samples() -> None:
    resolved = Settings(dataset="mnist").resolved()
    assert (resolved.samples, resolved.test_samples, resolved.inputs) == (60_000, 10_000, 784)
    assert (resolved.classes, resolved.outputs, resolved.loss) == (10, 10, "cross_entropy")
    assert resolved.id_content()["dataset"] == "mnist"


@pytest.mark.parametrize("bad", [{"dataset": "mnits"}, {"dataset": "x.npy"}, {"k": 3}, {"train_samples": 0}])
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**bad)  # type: ignore[arg-type]
    if "dataset" in bad:
        assert "the path of an .npz file" in str(caught.value)


def test_a_misspelt_data_set_is_told_the_nearest() -> None:
    with pytest.raises(ValidationError, match="Did you mean 'mnist'"):
        Settings(dataset="mnits")


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_is_read_as_published(tmp_path: Path) -> None:
    for path in raw_files("fashion-mnist", tmp_path).values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.decompress((FASHION / f"{path.name}.gz").read_bytes()))
    train, test = load_images("fashion-mnist", tmp_path)
    assert np.bincount(train.labels).tolist() == [6000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    problem = Problem(Settings(dataset="fashion-mnist"), tmp_path)
    assert (problem.mean / 255, problem.std / 255) == pytest.approx((0.2860, 0.3530), abs=1e-4)

"""Parity of stacked digits: labels, permutations, fresh tuples, the validation split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from dfa_tune.problems.datasets import DATASETS, load_images
from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.kinds.parity import Problem, Settings

SEEDS = st.integers(0, 2**31)
TRAIN, TEST = 36, 12  # images in the small data set


def small(folder: Path, split: str = "test", k: int = 3, train: int = TRAIN, test: int = TEST) -> Problem:
    return Problem(
        Settings(dataset="mnist", k=k, train_samples=train, test_samples=test), data=folder, split=split
    )


def numbers(draw: EpochSample) -> NDArray[np.uint8]:
    """Which images of the small data set are drawn, each once."""
    return np.unique(draw.items[draw.indices, 0, 0])


def same(a: EpochSample, b: EpochSample) -> bool:
    return np.array_equal(a.indices, b.indices) and np.array_equal(a.labels, b.labels)


# -- labels and layout --------------------------------------------------------------------------


@given(k=st.integers(1, 5), samples=st.integers(1, 200), seed=SEEDS, epoch=st.integers(1, 50))
@settings(max_examples=30)
def test_a_label_is_the_parity_of_the_sum_of_the_digits(k: int, samples: int, seed: int, epoch: int) -> None:
    train, test = load_images("digits")
    problem = Problem(Settings(dataset="digits", k=k, train_samples=samples, test_samples=samples))
    for draw, images in ((problem.train(seed, epoch), train), (problem.test(seed, epoch), test)):
        assert draw.indices.shape == (samples, k)
        expected = [sum(int(images.labels[i]) for i in row) % 2 for row in draw.indices]
        assert draw.labels.tolist() == expected
        np.testing.assert_array_equal(draw.items, images.pixels)


def test_digit_j_of_a_28_pixel_image_owns_columns_28j_to_28j_plus_27(small_mnist: Path) -> None:
    images, _ = load_images("mnist", small_mnist)
    draw = small(small_mnist).train(0, 1)
    rows = draw.gather(slice(0, 5)).reshape(5, 28, 84)
    for i, j in np.ndindex(5, 3):
        np.testing.assert_array_equal(rows[i, :, 28 * j : 28 * j + 28], images.pixels[draw.indices[i, j]])


def test_a_network_has_an_input_for_each_pixel(small_mnist: Path) -> None:
    assert small(small_mnist, k=3).inputs == 3 * 28 * 28
    assert Problem(Settings(dataset="digits", k=2)).inputs == 2 * 8 * 8


# -- how tuples are drawn -----------------------------------------------------------------------


@given(k=st.integers(1, 4), seed=SEEDS, epoch=st.integers(1, 50))
@settings(max_examples=30)
def test_an_epoch_is_k_independent_permutations_of_the_images(
    small_mnist: Path, k: int, seed: int, epoch: int
) -> None:
    problem = small(small_mnist, k=k)
    for draw, count in ((problem.train(seed, epoch), TRAIN), (problem.test(seed, epoch), TEST)):
        for column in draw.indices.T:
            assert sorted(column) == list(range(count))
        assert len({tuple(column) for column in draw.indices.T}) == k


@given(samples=st.integers(1, 4 * TRAIN), seed=SEEDS)
@settings(max_examples=30)
def test_with_another_number_of_tuples_no_image_comes_twice_before_all_came_once(
    small_mnist: Path, samples: int, seed: int
) -> None:
    draw = small(small_mnist, train=samples).train(seed, 1)
    for column in draw.indices.T:
        for begin in range(0, samples, TRAIN):
            part = column[begin : begin + TRAIN]
            assert len(set(part)) == len(part)


def test_digits_are_drawn_with_replacement() -> None:
    draw = Problem(Settings(dataset="digits", k=3)).train(0, 1)
    assert all(len(set(column)) < len(column) for column in draw.indices.T)
    # Of N draws from N images, a share of 1 - 1/e is seen at least once
    seen = len(set(draw.indices[:, 0])) / DATASETS["digits"].train
    assert seen == pytest.approx(1 - np.exp(-1), abs=0.04)


@given(seed=SEEDS, epoch=st.integers(1, 100))
@settings(max_examples=20)
def test_each_epoch_has_fresh_tuples_for_training_and_for_testing(
    small_mnist: Path, seed: int, epoch: int
) -> None:
    problem = small(small_mnist, k=1)  # k = 1 is reshuffled too
    assert not same(problem.train(seed, epoch), problem.train(seed, epoch + 1))
    assert not same(problem.test(seed, epoch), problem.test(seed, epoch + 1))
    assert not same(problem.train(seed, epoch), problem.train(seed + 1, epoch))


@given(seed=SEEDS, epoch=st.integers(1, 100))
@settings(max_examples=20)
def test_training_tuples_depend_on_seed_and_epoch_alone(small_mnist: Path, seed: int, epoch: int) -> None:
    wanted = small(small_mnist).train(seed, epoch)
    other = small(small_mnist, test=5)
    other.train(seed, epoch + 3)
    other.test(seed, epoch)
    assert same(other.train(seed, epoch), wanted)


@given(seed=SEEDS, epoch=st.integers(1, 100))
@settings(max_examples=20)
def test_test_tuples_do_not_depend_on_the_training_tuples(small_mnist: Path, seed: int, epoch: int) -> None:
    wanted = small(small_mnist).test(seed, epoch)
    other = small(small_mnist, train=7)
    other.train(seed, epoch)
    assert same(other.test(seed, epoch), wanted)


# -- splits -------------------------------------------------------------------------------------


def test_the_test_split_trains_on_all_training_images_and_tests_on_test_images(small_mnist: Path) -> None:
    problem = small(small_mnist)
    assert set(numbers(problem.train(0, 1))) == set(range(TRAIN))
    assert set(numbers(problem.test(0, 1))) == set(range(100, 100 + TEST))


def test_a_validation_split_holds_out_a_sixth_of_the_training_images(small_mnist: Path) -> None:
    problem = small(small_mnist, split="validation")
    trained, held = set(numbers(problem.train(0, 1))), set(numbers(problem.test(0, 1)))
    assert not trained & held
    assert trained | held == set(range(TRAIN))
    assert len(held) == TRAIN // 6


def test_all_seeds_and_epochs_hold_out_the_same_images(small_mnist: Path) -> None:
    held = [
        numbers(small(small_mnist, split="validation").test(seed, epoch))
        for seed in (0, 9)
        for epoch in (1, 2)
    ]
    for other in held[1:]:
        np.testing.assert_array_equal(held[0], other)


def test_inputs_are_normalised_by_the_images_that_are_trained_on(small_mnist: Path) -> None:
    for split in ("test", "validation"):
        problem = small(small_mnist, split=split)
        draw = problem.train(0, 1)
        pixels = draw.items[np.unique(draw.indices)].astype(np.float64)
        assert problem.mean == pytest.approx(pixels.mean())
        assert problem.std == pytest.approx(pixels.std())


# -- settings -----------------------------------------------------------------------------------


def test_sample_counts_default_to_the_number_of_images() -> None:
    resolved = Settings(dataset="mnist").resolved()
    assert (resolved.train_samples, resolved.test_samples, resolved.samples) == (60_000, 10_000, 60_000)
    assert Settings(dataset="mnist").samples == 60_000


@pytest.mark.parametrize(
    "bad", [{"k": 0}, {"k": 2.5}, {"train_samples": 0}, {"dataset": "svhn"}, {"digits": 3}]
)
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings(**bad)  # type: ignore[arg-type]

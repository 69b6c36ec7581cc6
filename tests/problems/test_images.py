"""Labelled images: digests, moments, validation splits and permutations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfa_tune.errors import UserError
from dfa_tune.problems.images import (
    HELD_OUT,
    Images,
    Part,
    density,
    digest,
    every,
    hold_out,
    hold_out_by_class,
    moments,
    permuted,
)


def some_images(classes: list[int], shape: tuple[int, int] = (2, 3)) -> Images:
    """So many images of each class, mixed; the first pixel is the image's number."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(classes)), classes))
    pixels = np.random.default_rng(1).integers(0, 256, (len(labels), *shape)).astype(np.uint8)
    pixels[:, 0, 0] = np.arange(len(labels))
    return Images(pixels, labels)


def test_a_digest_changes_with_any_pixel_label_or_shape() -> None:
    pixels, digits = np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.uint8)
    other_pixels, other_digits = pixels.copy(), digits.copy()
    other_pixels[1, 2, 3] = other_digits[1] = 1
    variants = [
        Images(pixels, digits),
        Images(other_pixels, digits),
        Images(pixels, other_digits),
        Images(pixels.reshape(2, 2, 8), digits),
    ]
    assert len({digest(images) for images in variants}) == 4


def test_density_is_the_share_of_values_that_are_not_zero() -> None:
    few, none = np.zeros((3, 2, 2), np.uint8), np.zeros((1, 2, 2), np.uint8)
    few[0, 0, 0], few[2, 1, 1] = 1, 255
    assert density(Images(few, np.zeros(3)), Images(none, np.zeros(1))) == 2 / 16


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_moments_are_those_of_the_chosen_images(dtype: type) -> None:
    images = some_images([1500, 900])
    pixels = images.pixels.astype(dtype) * np.asarray(1 if dtype is np.uint8 else 1e3, dtype)
    positions = np.random.default_rng(2).permutation(2400)[:2100]
    mean, std = moments(Part(Images(pixels, images.labels), positions))
    chosen = pixels[positions].astype(np.float64)
    assert (mean, std) == pytest.approx((chosen.mean(), chosen.std()), rel=1e-12)


@given(classes=st.lists(st.integers(0, 40), min_size=2, max_size=5).filter(lambda c: max(c) >= HELD_OUT))
@settings(max_examples=30)
def test_a_sixth_of_each_class_is_held_out_and_no_image_is_lost(classes: list[int]) -> None:
    images = some_images(classes)
    kept, held = hold_out_by_class(images)
    assert sorted([*kept.positions, *held.positions]) == list(range(sum(classes)))
    for label, count in enumerate(classes):
        assert (images.labels[held.positions] == label).sum() == count // HELD_OUT


def test_the_same_images_are_held_out_each_time() -> None:
    images = some_images([30, 12, 60])
    first, again = (hold_out_by_class(images)[1].positions for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert list(first) != sorted(first)[: len(first)] or first.max() > len(first)  # not just the first ones


def test_classes_too_small_to_hold_anything_out_are_refused() -> None:
    with pytest.raises(UserError, match="no class has 6 training images"):
        hold_out_by_class(some_images([5, 5, 3]))
    with pytest.raises(UserError, match="5 training images"):
        hold_out(some_images([3, 2]))


@given(count=st.integers(1, 20), samples=st.integers(1, 70), seed=st.integers(0, 99))
def test_no_position_comes_twice_before_all_came_once(count: int, samples: int, seed: int) -> None:
    drawn = permuted(np.random.default_rng(seed), count, samples)
    assert len(drawn) == samples
    for begin in range(0, samples, count):
        part = drawn[begin : begin + count]
        assert len(set(part)) == len(part)
        assert set(part) <= set(range(count))


def test_all_images_are_in_their_order() -> None:
    images = some_images([3, 4])
    assert every(images).positions.tolist() == list(range(7))

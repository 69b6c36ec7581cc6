"""One seed, many streams: named, independent, and without memory."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dfa_tune.problems.streams import STREAMS, generator


def test_a_stream_gives_the_same_numbers_whenever_it_is_asked() -> None:
    first = generator(3, "train", 7).random(5)
    generator(3, "test", 7).random(100)
    np.testing.assert_array_equal(first, generator(3, "train", 7).random(5))


def test_each_seed_stream_and_index_has_numbers_of_its_own() -> None:
    keys = [
        *((0, name, 1) for name in STREAMS),
        *((0, name) for name in STREAMS),
        (0, "train", 2),
        (1, "train", 1),
        (0, "train", 1, 1),
        (11, "train"),
        (1, "train", 11),
    ]
    draws = [generator(*key).random(4) for key in keys]  # type: ignore[arg-type]
    for (i, a), (j, b) in itertools.combinations(enumerate(draws), 2):
        assert not np.array_equal(a, b), (keys[i], keys[j])


def test_two_streams_are_uncorrelated() -> None:
    a, b = generator(0, "train", 1).normal(size=10_000), generator(0, "test", 1).normal(size=10_000)
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(10_000)


def test_an_unknown_stream_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'wieghts'.*weights"):
        generator(0, "wieghts")

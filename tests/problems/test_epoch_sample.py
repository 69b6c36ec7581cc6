"""Tuples are flattened row by row: digit j owns columns 28j to 28j + 27 of each row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dfa_tune.problems.epoch_sample import EpochSample


@given(
    k=st.integers(1, 4),
    rows=st.integers(1, 5),
    columns=st.integers(1, 28),
    tuples=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_item_j_of_a_tuple_owns_its_columns_of_each_row(
    k: int, rows: int, columns: int, tuples: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    items = rng.integers(0, 256, (9, rows, columns)).astype(np.uint8)
    indices = rng.integers(0, 9, (tuples, k))
    stacked = (
        EpochSample(items, indices, np.zeros(tuples, np.uint8)).gather().reshape(tuples, rows, k * columns)
    )
    for i, j in np.ndindex(tuples, k):
        np.testing.assert_array_equal(stacked[i, :, columns * j : columns * (j + 1)], items[indices[i, j]])


def test_a_part_of_a_draw_is_that_part_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    draw = EpochSample(rng.normal(size=(6, 2, 3)), rng.integers(0, 6, (10, 2)), np.zeros(10, np.uint8))
    np.testing.assert_array_equal(draw.gather(slice(4, 7)), draw.gather()[4:7])

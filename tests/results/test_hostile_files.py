"""Parquet files made to break readers are passed over by name and set aside, quickly."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dfa_tune.results import Store, maintenance
from dfa_tune.results.reader import DamagedFileWarning

Table = pa.Table


def replaced(table: Table, name: str, values: pa.Array) -> Table:
    return table.set_column(table.column_names.index(name), name, values)


def two_columns_of_one_name(table: Table) -> Table:
    return table.append_column("trial_id", table["trial_id"])


def a_list_in_the_place_of_text(table: Table) -> Table:
    return replaced(table, "method", pa.array([["a"]] * len(table)))


def a_list_among_a_custom_problems_columns(table: Table) -> Table:
    return table.append_column("depth", pa.array([[1, 2]] * len(table)))


def a_mapping_among_a_custom_problems_columns(table: Table) -> Table:
    return table.append_column("depth", pa.array([{"a": 1}] * len(table)))


def bytes_among_a_custom_problems_columns(table: Table) -> Table:
    return table.append_column("depth", pa.array([b"\xff"] * len(table)))


def text_in_the_place_of_numbers(table: Table) -> Table:
    return replaced(table, "k", pa.array(["3"] * len(table)))


def times_in_the_place_of_numbers(table: Table) -> Table:
    return replaced(table, "seconds", pa.array([pd.Timestamp("2026-01-01")] * len(table)))


def null_rates(table: Table) -> Table:
    return replaced(table, "learning_rate", pa.nulls(len(table), pa.float64()))


def rates_that_are_not_numbers(table: Table) -> Table:
    return replaced(table, "learning_rate", pa.array([float("nan")] * len(table)))


def null_seeds(table: Table) -> Table:
    return replaced(table, "seed", pa.nulls(len(table), pa.int64()))


def text_that_is_not_utf_8(table: Table) -> Table:
    offsets = pa.array(range(0, 2 * len(table) + 1, 2), pa.int32()).buffers()[1]
    text = pa.Array.from_buffers(
        pa.string(), len(table), [None, offsets, pa.py_buffer(b"\xff\xfe" * len(table))]
    )
    return replaced(table, "dataset", text)


def a_version_that_is_not_a_number(table: Table) -> Table:
    return table.replace_schema_metadata({"schema_version": "one"})


def ten_thousand_columns(table: Table) -> Table:
    more = {f"c{index}": pa.nulls(len(table), pa.int64()) for index in range(10_000)}
    return pa.table({name: table[name] for name in table.column_names} | more)


def millions_of_equal_rows(table: Table) -> Table:
    return pa.table({name: pa.repeat(table[name][0], 3_000_000) for name in table.column_names})


def gigabytes_of_text(table: Table) -> Table:
    rows = 199_000
    few = pa.table({name: pa.repeat(table[name][0], rows) for name in table.column_names})
    huge = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["x" * 50_000]))
    return replaced(few, "dataset", huge)


def lists_of_millions_of_values(table: Table) -> Table:
    values = pa.array(np.zeros(30_000_000))
    offsets = pa.array([0, 30_000_000] + [30_000_000] * (len(table) - 1), pa.int32())
    return replaced(table, "gradient_alignment_by_layer", pa.ListArray.from_arrays(offsets, values))


def lists_of_text_in_the_place_of_lists_of_numbers(table: Table) -> Table:
    return replaced(table, "gradient_alignment_by_layer", pa.array([["a"]] * len(table)))


HOSTILE = [
    two_columns_of_one_name,
    a_list_in_the_place_of_text,
    a_list_among_a_custom_problems_columns,
    a_mapping_among_a_custom_problems_columns,
    bytes_among_a_custom_problems_columns,
    text_in_the_place_of_numbers,
    times_in_the_place_of_numbers,
    null_rates,
    rates_that_are_not_numbers,
    null_seeds,
    text_that_is_not_utf_8,
    a_version_that_is_not_a_number,
    ten_thousand_columns,
    millions_of_equal_rows,
    gigabytes_of_text,
    lists_of_millions_of_values,
    lists_of_text_in_the_place_of_lists_of_numbers,
]


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_hostile_file_is_passed_over_and_set_aside_within_a_moment(
    store: Store, rows, epochs: Path, make
) -> None:
    store.publish("good", rows("a", depth=3), {})
    path = Path(store.publish("bad", rows("b"), {}))
    pq.write_table(make(pq.read_table(path).replace_schema_metadata(None)), path, compression="zstd")
    begin = time.process_time()
    with pytest.warns(DamagedFileWarning, match=r"bad\.parquet"):
        assert set(store.read().trial_id) == {"a"}
    assert maintenance.set_aside(store) == ["bad.parquet"]
    assert time.process_time() - begin < 2
    assert store.done() == {"a"}


def test_metadata_that_are_not_utf_8_are_shown_with_replacements(store: Store, rows, epochs: Path) -> None:
    path = Path(store.publish("pack", rows("a"), {}))
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"host": b"\xff", b"\xfe": b"x"}), path)
    found = store.find("a")
    assert found is not None
    assert found.metadata["host"] == "\ufffd"
    assert maintenance.set_aside(store) == []


def test_a_huge_sparse_file_is_not_read(store: Store, rows, epochs: Path) -> None:
    store.publish("good", rows("a"), {})
    with (epochs / "bad.parquet").open("wb") as file:
        file.truncate(2**40)
    begin = time.process_time()
    assert maintenance.set_aside(store) == ["bad.parquet"]
    assert time.process_time() - begin < 60  # its first GiB at most; all of it would take an hour
    (Path(store.path("damaged")) / "bad.parquet").unlink()


def test_custom_columns_of_any_plain_types_are_read_together(store: Store, rows, epochs: Path) -> None:
    """A number in one file, text, booleans or huge numbers in others."""
    values = [
        pa.array([True] * 3),
        pa.array([2**64 - 1] * 3, pa.uint64()),
        pa.array([2**60 + 1] * 3),
        0.5,
        "x",
    ]
    for index, value in enumerate(values):
        path = Path(store.publish(f"{index}", rows(f"{index}"), {}))
        column = value if isinstance(value, pa.Array) else pa.array([value] * 3)
        pq.write_table(pq.read_table(path).replace_schema_metadata(None).append_column("depth", column), path)
    with pytest.warns(DamagedFileWarning, match=r"1\.parquet"):  # no 64-bit integer of ours
        assert set(store.read().trial_id) == {"0", "2", "3", "4"}


def test_a_pack_whose_trials_all_diverged_at_once_is_not_taken_for_a_bomb(store: Store, rows) -> None:
    """Hardly anything but nulls and constants, as ours compress best."""
    null = dict.fromkeys(("train_loss", "train_accuracy", "test_loss", "test_accuracy"))
    many = [row for trial in range(64) for row in rows(f"{trial}", epochs=1000, diverged=True, **null)]
    store.publish("pack", many, {})
    assert len(store.done()) == 64

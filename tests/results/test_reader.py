"""Files that are torn, empty, foreign or of a newer version."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dfa_tune.errors import UserError
from dfa_tune.results import Store, maintenance
from dfa_tune.results.reader import DamagedFileWarning


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def cut_at_the_start(path: Path) -> None:
    path.write_bytes(path.read_bytes()[200:])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def text(path: Path) -> None:
    path.write_text("not Parquet")


def foreign(path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(path)


def keys_of_another_type(path: Path) -> None:
    table = pq.read_table(path)
    words = pa.array(["one"] * len(table))
    pq.write_table(table.set_column(table.schema.get_field_index("epoch"), "epoch", words), path)


def keys_null(path: Path) -> None:
    table = pq.read_table(path)
    nulls = pa.nulls(len(table), pa.string())
    pq.write_table(table.set_column(0, "trial_id", nulls), path)


DAMAGE = [truncated, cut_at_the_start, empty, zeros, text, foreign, keys_of_another_type, keys_null]


@pytest.fixture
def two(store, rows):
    """A store with two files, of which the test damages `bad.parquet`."""
    store.publish("good", rows("a"), {})
    store.publish("bad", rows("b"), {})
    return store


@pytest.mark.parametrize("damage", DAMAGE)
def test_readers_pass_over_a_damaged_file_with_a_warning_that_names_it(two, epochs, damage):
    damage(epochs / "bad.parquet")
    with pytest.warns(DamagedFileWarning, match=r"epochs: .*bad\.parquet"):
        assert two.done() == {"a"}
    with pytest.warns(DamagedFileWarning, match=r"bad\.parquet"):
        assert set(two.read().trial_id) == {"a"}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.filterwarnings("error")
def test_damaged_files_are_set_aside_and_then_no_reader_complains(two, epochs, damage):
    damage(epochs / "bad.parquet")
    left = (epochs / "bad.parquet").read_bytes()
    assert maintenance.set_aside(two) == ["bad.parquet"]
    assert (epochs.parent / "damaged" / "bad.parquet").read_bytes() == left
    assert two.done() == {"a"}
    assert len(pd.read_parquet(epochs)) == 3


def test_a_flipped_bit_in_a_column_of_numbers_is_found(two, epochs):
    path = epochs / "bad.parquet"
    metadata = pq.read_metadata(path).row_group(0)
    column = next(
        metadata.column(i)
        for i in range(metadata.num_columns)
        if metadata.column(i).path_in_schema == "test_accuracy"
    )
    content = bytearray(path.read_bytes())
    content[column.dictionary_page_offset + column.total_compressed_size - 1] ^= 1  # its last byte
    path.write_bytes(content)
    assert maintenance.set_aside(two) == ["bad.parquet"]


def test_good_files_are_left_where_they_are(two):
    assert maintenance.set_aside(two) == []
    assert two.done() == {"a", "b"}


def test_nothing_that_was_set_aside_before_is_overwritten(two, epochs):
    for content in (b"one", b"two"):
        (epochs / "bad.parquet").write_bytes(content)
        maintenance.set_aside(two)
    kept = {path.read_bytes() for path in (epochs.parent / "damaged").iterdir()}
    assert kept == {b"one", b"two"}


def test_a_stray_file_that_would_break_pandas_is_set_aside(two, epochs):
    (epochs / "notes.txt").write_text("mine")
    assert two.done() == {"a", "b"}
    assert maintenance.set_aside(two) == ["notes.txt"]
    assert len(pd.read_parquet(epochs)) == 6


@pytest.mark.filterwarnings("error")
def test_what_a_killed_writer_left_half_written_disturbs_nobody(two, epochs):
    torn = (epochs / "good.parquet").read_bytes()[:500]
    (epochs / ".pack.parquet.0123456789ab.tmp").write_bytes(torn)
    (epochs / ".hidden.parquet").write_bytes(torn)
    assert two.done() == {"a", "b"}
    assert maintenance.set_aside(two) == []
    assert len(pd.read_parquet(epochs)) == 6


def make_newer(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"schema_version": "2"}), path)


@pytest.mark.parametrize("operation", [Store.done, Store.read, maintenance.set_aside, maintenance.compact])
def test_a_file_of_a_newer_version_is_refused_by_name_and_left_alone(two, epochs, operation):
    make_newer(epochs / "bad.parquet")
    with pytest.raises(UserError, match=r"epochs/bad\.parquet has schema version 2"):
        operation(two)
    assert (epochs / "bad.parquet").is_file()


def test_a_file_rewritten_by_another_tool_with_its_own_types_is_read(two, epochs):
    table = pq.read_table(epochs / "bad.parquet")
    fields = [f.with_type(pa.large_string()) if f.type == pa.string() else f for f in table.schema]
    small = [f.with_type(pa.int32()) if f.name == "epoch" else f for f in fields]
    pq.write_table(table.cast(pa.schema(small)).replace_schema_metadata(None), epochs / "bad.parquet")
    assert two.done() == {"a", "b"}
    assert two.read().epoch.dtype == "int64"


def test_a_file_from_before_a_column_was_added_is_read_with_nulls(two, epochs):
    table = pq.read_table(epochs / "bad.parquet")
    pq.write_table(table.drop_columns(["step_alignment", "numerics"]), epochs / "bad.parquet")
    read = two.read().set_index("trial_id")
    assert read.numerics.isna()["b"].all()
    assert (read.numerics["a"] == 1).all()


def test_a_damaged_file_read_by_name_is_an_error_that_names_it(two, epochs):
    truncated(epochs / "bad.parquet")
    with pytest.raises(UserError, match=r"bad\.parquet is damaged"):
        two.read_file("bad")


@pytest.mark.filterwarnings("error")
def test_a_file_merged_away_between_listing_and_reading_is_found_in_its_successor(two, epochs, monkeypatch):
    real, listings = two.storage.files, []

    def files(folder):
        names = real(folder)
        listings.append(names)
        if len(listings) == 1:
            shutil.move(epochs / "bad.parquet", epochs / "merged.parquet")
        return names

    monkeypatch.setattr(two.storage, "files", files)
    assert two.done() == {"a", "b"}
    assert len(listings) == 2

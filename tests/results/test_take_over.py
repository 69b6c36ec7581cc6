"""Taking trials over from other sweeps."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dfa_tune.results import Store
from dfa_tune.results.reader import DamagedFileWarning


@pytest.fixture
def sibling(store) -> Store:
    return Store(store.location, "sibling")


def test_trials_of_a_sibling_are_taken_over_with_the_stage_and_number_they_have_here(store, sibling, rows):
    sibling.publish(
        "pack", rows("a", stage="tune") + rows("b", stage="repeat") + rows("c"), {"host": "there"}
    )
    assert store.take_over({"a": ("repeat", 1), "b": ("repeat", 2), "z": ("tune", None)}) == {"a", "b"}
    assert store.done() == {"a", "b"}
    assert set(store.read().stage) == {"repeat"}
    assert set(zip(store.read().trial_id, store.read().repetition, strict=True)) == {("a", 1), ("b", 2)}
    assert store.read(columns=["test_accuracy"]).equals(sibling.read({"a", "b"}, ["test_accuracy"]))
    [path] = Path(store.path("epochs")).iterdir()
    metadata = pq.read_schema(path).metadata
    assert (metadata[b"host"], metadata[b"taken_over_from"]) == (b"there", b"sibling")


def test_what_is_here_already_is_not_taken_over(store, sibling, rows):
    sibling.publish("pack", rows("a") + rows("b"), {})
    assert store.take_over({"a": ("tune", None)}) == {"a"}
    assert store.take_over({"a": ("tune", None)}) == set()
    assert store.take_over({"a": ("tune", None), "b": ("tune", None)}) == {"b"}
    assert store.done() == {"a", "b"}
    assert store.take_over({}) == set()


def test_a_trial_that_two_siblings_have_is_taken_over_once(store, sibling, rows):
    sibling.publish("pack", rows("a"), {})
    Store(store.location, "third").publish("pack", rows("a") + rows("b"), {})
    assert store.take_over({"a": ("tune", None), "b": ("tune", None)}) == {"a", "b"}
    assert len(pd.read_parquet(store.path("epochs"))) == 6


def test_an_unfinished_trial_of_a_sibling_is_not_taken_over(store, sibling, rows, write):
    write("pack", rows("a")[:2], sibling)
    assert store.take_over({"a": ("tune", None)}) == set()


def test_a_siblings_damaged_file_is_passed_over(store, sibling, rows):
    sibling.publish("good", rows("a"), {})
    Path(sibling.path("epochs", "torn.parquet")).write_bytes(b"PAR1")
    with pytest.warns(DamagedFileWarning, match=r"sibling/epochs: .*torn\.parquet"):
        assert store.take_over({"a": ("tune", None)}) == {"a"}
    assert Path(sibling.path("epochs", "torn.parquet")).exists()


def test_a_sibling_of_a_newer_version_is_passed_over_with_a_warning(store, sibling, rows):
    path = sibling.publish("pack", rows("a"), {})
    pq.write_table(pq.read_table(path).replace_schema_metadata({"schema_version": "2"}), path)
    with pytest.warns(UserWarning, match="nothing taken over from sibling"):
        assert store.take_over({"a": ("tune", None)}) == set()


def test_files_taken_over_from_a_space_whose_name_begins_with_an_underscore_are_read_by_pandas(
    store, rows
) -> None:
    """pandas, pyarrow and DuckDB pass over files whose names begin with an underscore."""
    Store(store.location, "_scratch").publish("pack", rows("a"), {})
    assert store.take_over({"a": ("tune", None)}) == {"a"}
    assert len(pd.read_parquet(store.path("epochs"))) == 3

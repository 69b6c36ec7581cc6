"""Taking trials over from other sweeps, and merging files."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dfa_tune.results import Store, maintenance
from dfa_tune.results.reader import DamagedFileWarning


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def sibling(store) -> Store:
    return Store(store.location, "sibling")


def test_trials_of_a_sibling_are_taken_over_with_the_stage_they_have_here(store, sibling, rows):
    sibling.publish(
        "pack", rows("a", stage="tune") + rows("b", stage="repeat") + rows("c"), {"host": "there"}
    )
    assert store.take_over({"a": "repeat", "b": "repeat", "z": "tune"}) == {"a", "b"}
    assert store.done() == {"a", "b"}
    assert set(store.read().stage) == {"repeat"}
    assert store.read(columns=["test_accuracy"]).equals(sibling.read({"a", "b"}, ["test_accuracy"]))
    [path] = Path(store.path("epochs")).iterdir()
    metadata = pq.read_schema(path).metadata
    assert (metadata[b"host"], metadata[b"taken_over_from"]) == (b"there", b"sibling")


def test_what_is_here_already_is_not_taken_over(store, sibling, rows):
    sibling.publish("pack", rows("a") + rows("b"), {})
    assert store.take_over({"a": "tune"}) == {"a"}
    assert store.take_over({"a": "tune"}) == set()
    assert store.take_over({"a": "tune", "b": "tune"}) == {"b"}
    assert store.done() == {"a", "b"}
    assert store.take_over({}) == set()


def test_a_trial_that_two_siblings_have_is_taken_over_once(store, sibling, rows):
    sibling.publish("pack", rows("a"), {})
    Store(store.location, "third").publish("pack", rows("a") + rows("b"), {})
    assert store.take_over({"a": "tune", "b": "tune"}) == {"a", "b"}
    assert len(pd.read_parquet(store.path("epochs"))) == 6


def test_an_unfinished_trial_of_a_sibling_is_not_taken_over(store, sibling, rows):
    sibling.publish("pack", rows("a")[:2], {})
    assert store.take_over({"a": "tune"}) == set()


def test_a_siblings_damaged_file_is_passed_over(store, sibling, rows):
    sibling.publish("good", rows("a"), {})
    Path(sibling.path("epochs", "torn.parquet")).write_bytes(b"PAR1")
    with pytest.warns(DamagedFileWarning, match=r"sibling/epochs: .*torn\.parquet"):
        assert store.take_over({"a": "tune"}) == {"a"}
    assert Path(sibling.path("epochs", "torn.parquet")).exists()


def test_a_sibling_of_a_newer_version_is_passed_over_with_a_warning(store, sibling, rows):
    path = sibling.publish("pack", rows("a"), {})
    pq.write_table(pq.read_table(path).replace_schema_metadata({"schema_version": "2"}), path)
    with pytest.warns(UserWarning, match="nothing taken over from sibling"):
        assert store.take_over({"a": "tune"}) == set()


def test_compact_makes_one_file_of_one_provenance_and_loses_no_row(store, epochs, rows):
    for index in range(5):
        metadata = {"host": "here", "start": f"2026-01-0{index + 1}", "end": f"2026-01-0{index + 2}"}
        store.publish(f"pack-{index}", rows(f"{index}", depth=index), metadata)
    before = store.read()
    assert maintenance.compact(store) == 4
    pd.testing.assert_frame_equal(store.read(), before)
    [path] = epochs.iterdir()
    metadata = pq.read_schema(path).metadata
    assert metadata[b"host"] == b"here"
    assert (metadata[b"start"], metadata[b"end"]) == (b"2026-01-01", b"2026-01-06")


def test_compact_heals_what_is_there_twice(store, epochs, rows):
    store.publish("1", rows("a", seconds=1.0) + rows("b"), {"host": "one"})
    store.publish("2", rows("a", seconds=2.0) + rows("c"), {"host": "two"})
    store.publish("3", rows("b"), {"host": "three"})
    before = store.read()
    assert maintenance.compact(store) == 1  # nothing of the third is left
    assert len(pd.read_parquet(epochs)) == 9
    pd.testing.assert_frame_equal(store.read(), before)


def test_compacting_again_changes_nothing(store, epochs, rows):
    store.publish("1", rows("a"), {})
    store.publish("2", rows("b"), {})
    maintenance.compact(store)
    before = names(epochs)
    assert maintenance.compact(store) == 0
    assert names(epochs) == before


def test_compact_keeps_the_rows_of_unfinished_trials(store, epochs, rows):
    store.publish("1", rows("a")[:2], {})
    store.publish("2", rows("b"), {})
    maintenance.compact(store)
    assert len(pd.read_parquet(epochs)) == 5


def test_compact_leaves_damaged_files_alone(store, epochs, rows):
    store.publish("1", rows("a"), {})
    store.publish("2", rows("b"), {})
    (epochs / "torn.parquet").write_bytes(b"PAR1")
    with pytest.warns(DamagedFileWarning):
        maintenance.compact(store)
    assert (epochs / "torn.parquet").exists()


@pytest.mark.parametrize("survives", range(5))
def test_compact_killed_at_any_moment_loses_nothing_and_goes_on_later(
    store, epochs, rows, survives, monkeypatch
):
    for index in range(4):
        store.publish(f"{index}", rows(f"{index}") + rows("twice"), {"host": f"{index % 2}"})
    before = store.read()
    changes: list[object] = []

    def dying(change):
        def changed(*arguments):
            if len(changes) == survives:
                raise KeyboardInterrupt
            changes.append(arguments)
            return change(*arguments)

        return changed

    with monkeypatch.context() as patch:
        patch.setattr(store.storage, "put", dying(store.storage.put))
        patch.setattr(store.storage, "remove", dying(store.storage.remove))
        with pytest.raises(KeyboardInterrupt):
            maintenance.compact(store)
    pd.testing.assert_frame_equal(store.read(), before)
    maintenance.compact(store)
    pd.testing.assert_frame_equal(store.read(), before)
    assert len(pd.read_parquet(epochs)) == len(before)


def test_what_a_killed_compact_left_twice_is_dropped_by_the_next_run(store, epochs, rows, monkeypatch):
    for index in range(4):
        store.publish(f"{index}", rows(f"{index}"), {})
    before = store.read()
    with monkeypatch.context() as patch:
        patch.setattr(store.storage, "remove", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            maintenance.compact(store)
    assert len(pd.read_parquet(epochs)) == 2 * len(before)
    assert maintenance.drop_copies(store) == ["0.parquet", "1.parquet", "2.parquet", "3.parquet"]
    assert len(pd.read_parquet(epochs)) == len(before)
    pd.testing.assert_frame_equal(store.read(), before)
    assert maintenance.drop_copies(store) == []


def test_a_file_with_a_trial_of_its_own_is_no_copy(store, epochs, rows):
    store.publish("1", rows("a") + rows("b"), {})
    store.publish("2", rows("b") + rows("c"), {})
    store.publish("3", rows("a")[:2], {})  # an unfinished trial is kept for whoever wrote it
    assert maintenance.drop_copies(store) == []
    store.publish("4", rows("c"), {})
    assert maintenance.drop_copies(store) == ["4.parquet"]


def test_two_compactions_at_once_lose_nothing(store, epochs, rows, monkeypatch):
    for index in range(3):
        store.publish(f"{index}", rows(f"{index}"), {})
    before = store.read()
    remove = store.storage.remove
    others: list[int] = []

    def remove_after_another_compaction(path):
        if not others:
            others.append(maintenance.compact(Store(store.location, "sweep")))
        remove(path)

    monkeypatch.setattr(store.storage, "remove", remove_after_another_compaction)
    maintenance.compact(store)
    pd.testing.assert_frame_equal(store.read(), before)


def test_a_folder_removed_meanwhile_is_made_again(store, epochs, rows):
    store.publish("1", rows("a"), {})
    shutil.rmtree(epochs)
    store.publish("2", rows("b"), {})
    assert store.done() == {"b"}

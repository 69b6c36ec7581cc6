"""Damaged files set aside, copies removed, many files merged into few."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dfa_tune.errors import UserError
from dfa_tune.results import Store, maintenance, reader
from dfa_tune.results.reader import DamagedFileWarning


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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


def test_compact_keeps_the_rows_of_unfinished_trials(store, epochs, rows, write):
    write("1", rows("a")[:2])
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


def test_a_file_with_a_trial_of_its_own_is_no_copy(store, epochs, rows, write):
    store.publish("1", rows("a") + rows("b"), {})
    store.publish("2", rows("b") + rows("c"), {})
    write("3", rows("a")[:2])  # an unfinished trial is kept for whoever wrote it
    assert maintenance.drop_copies(store) == []
    store.publish("4", rows("c"), {})
    assert maintenance.drop_copies(store) == ["4.parquet"]


def test_two_compactions_at_once_lose_nothing_even_without_a_lock(store, epochs, rows, monkeypatch):
    for index in range(3):
        store.publish(f"{index}", rows(f"{index}"), {})
    before = store.read()
    remove = store.storage.remove
    others: list[int] = []

    def remove_after_another_compaction(path):
        if not others:
            others.append(0)
            others.append(maintenance.compact(Store(store.location, "sweep")))
        remove(path)

    monkeypatch.setattr(maintenance, "_alone", lambda *_: nullcontext())  # as on an object store
    monkeypatch.setattr(store.storage, "remove", remove_after_another_compaction)
    maintenance.compact(store)
    assert len(others) == 2
    pd.testing.assert_frame_equal(store.read(), before)


def test_a_folder_removed_meanwhile_is_made_again(store, epochs, rows):
    store.publish("1", rows("a"), {})
    shutil.rmtree(epochs)
    store.publish("2", rows("b"), {})
    assert store.done() == {"b"}


@pytest.mark.parametrize("first", [maintenance.compact, maintenance.drop_copies])
@pytest.mark.parametrize("second", [maintenance.compact, maintenance.drop_copies])
def test_whoever_removes_copies_at_the_same_time_nobody_removes_the_last_one(
    store, rows, monkeypatch, first, second
) -> None:
    """Without a lock: the second works from beginning to end before the first one removes its first file."""
    shared = rows("a") + rows("b")
    store.publish("1", shared, {"host": "one"})
    store.publish("2", shared + rows("c"), {"host": "two"})
    store.publish("3", shared, {"host": "one"})
    before = store.read()
    begun: list[int] = []
    remove = maintenance._remove

    def interrupted(*arguments):
        if not begun:
            begun.append(0)
            begun.append(second(Store(store.location, "sweep")) is not None)
        return remove(*arguments)

    monkeypatch.setattr(maintenance, "_alone", lambda *_: nullcontext())
    monkeypatch.setattr(maintenance, "_remove", interrupted)
    first(store)
    assert len(begun) == 2
    pd.testing.assert_frame_equal(store.read(), before)


def test_a_run_does_not_wait_for_maintenance_and_compact_says_who_is_at_it(store, rows, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "PATIENCE", 0.1)
    monkeypatch.setattr(maintenance, "LOCK_SECONDS", 0.1)
    for name in "12":
        store.publish(name, rows("a"), {})
    with store.folder("leases").lock(".maintenance"):
        assert maintenance.drop_copies(store) == []
        with pytest.raises(UserError, match=r"\.maintenance: another process has held this lock"):
            maintenance.compact(store)
    assert maintenance.drop_copies(store) == ["2.parquet"]


def test_files_are_merged_by_themselves_beyond_some_hundred(store, rows, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "MANY_FILES", 4)
    for index in range(4):
        store.publish(f"{index}", rows(f"{index}"), {})
    assert maintenance.compact_if_many(store) == 0
    store.publish("4", rows("4"), {})
    assert maintenance.compact_if_many(store) == 4
    assert len(store.done()) == 5
    assert len(store.names()) == 1


def test_what_is_merged_is_split_where_it_would_be_too_large(store, rows, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "FULL", 8)
    for index in range(7):
        store.publish(f"{index}", rows(f"{index}"), {})
    before = store.read()
    maintenance.compact(store)
    sizes = [len(store.read_file(name.removesuffix(".parquet"))) for name in store.names()]
    assert sorted(sizes) == [6, 6, 9]  # whole trials of three rows
    pd.testing.assert_frame_equal(store.read(), before)
    names_before = store.names()
    store.publish("new", rows("new"), {})
    maintenance.compact(store)
    assert len(names_before & store.names()) == 3  # the full ones are not written again
    assert len(store.done()) == 8


def test_a_file_taken_over_by_version_0_1_from_a_space_with_an_underscore_gets_a_name_that_pandas_reads(
    store, epochs, rows
) -> None:
    store.publish("pack", rows("a"), {})
    (epochs / "pack.parquet").rename(epochs / "_scratch-0123.parquet")
    assert store.done() == {"a"}
    assert maintenance.set_aside(store) == []
    assert [path.name for path in epochs.iterdir()] == ["from-_scratch-0123.parquet"]
    assert len(pd.read_parquet(epochs)) == 3


def test_a_damaged_file_that_is_published_anew_meanwhile_is_not_set_aside(
    store, epochs, rows, monkeypatch
) -> None:
    epochs.mkdir(parents=True)
    (epochs / "pack.parquet").write_bytes(b"PAR1")
    read_files = reader.read_files

    def published_meanwhile(folder, *more):
        found = read_files(folder, *more)
        if found.damaged:
            Store(store.location, "sweep").publish("pack", rows("a"), {})
        return found

    monkeypatch.setattr(reader, "read_files", published_meanwhile)
    assert maintenance.set_aside(store) == []
    assert store.done() == {"a"}


def test_a_file_that_another_run_has_just_renamed_is_left_to_it(store, epochs, rows, monkeypatch) -> None:
    store.publish("1", rows("a"), {})
    shutil.copy(next(epochs.iterdir()), epochs / "_hidden.parquet")

    def gone(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(type(store.epochs), "move", gone)
    assert maintenance.set_aside(store) == []

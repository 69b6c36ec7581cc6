"""Files of a local folder: written whole, outside the folders that others read, never through links."""

import os
import time
from pathlib import Path

import pytest
from filelock import FileLock

from dfa_tune.errors import UserError
from dfa_tune.results import Leases, Store, failures, maintenance
from dfa_tune.results.checksum import UNSEALED
from dfa_tune.results.local_storage import ABANDONED, PARTIAL
from dfa_tune.results.storage import open_storage


def test_a_file_that_is_being_written_is_never_in_the_folder_of_the_results(
    store, epochs, rows, monkeypatch
) -> None:
    """Polars, DuckDB's recursive globs and others read all files of a folder, hidden ones too."""
    seen: set[str] = set()
    sync = os.fsync

    def watched(descriptor):
        seen.update(path.name for path in epochs.iterdir() if path.is_file())
        sync(descriptor)

    store.check_writable()
    monkeypatch.setattr(os, "fsync", watched)
    store.check_writable()
    store.publish("one", rows("a"), {})
    store.publish("two", rows("b"), {})
    maintenance.compact(store)
    assert {Path(name).suffix for name in seen} == {".parquet"}


def left_by_a_killed_writer(store: Store, *, hours: float) -> list[Path]:
    """A partial file as it is now, and one as version 0.1 left them among the results."""
    folder = Path(store.path())
    files = [
        folder / PARTIAL / ".a.parquet.0123456789ab.tmp",
        folder / "epochs" / ".a.parquet.0123456789ab.tmp",
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"PAR1")
        os.utime(file, times=(time.time() - 3600 * hours,) * 2)
    return files


def test_what_killed_writers_left_is_removed_after_an_hour(store, rows) -> None:
    store.publish("pack", rows("a"), {})
    young, old = left_by_a_killed_writer(store, hours=0.9), None
    maintenance.set_aside(store)
    assert all(file.exists() for file in young)
    old = left_by_a_killed_writer(store, hours=1.1)
    maintenance.set_aside(store)
    assert not any(file.exists() for file in old)
    assert store.done() == {"a"}


def test_a_writer_that_was_suspended_until_its_partial_file_was_removed_writes_it_again(
    store, rows, monkeypatch
) -> None:
    replace, times = Path.replace, []

    def suspended(self, target):
        if not times:
            os.utime(self, times=(time.time() - ABANDONED - 1,) * 2)
            maintenance.set_aside(store)  # of another run
            assert not self.exists()
        times.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", suspended)
    store.publish("pack", rows("a"), {})
    assert store.done() == {"a"}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder of the user with files that a stranger's links lead to."""
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "id_rsa").write_text("secret")
    (folder / "notes.parquet").write_text("mine")
    return folder


OPERATIONS = {
    "publish": lambda store, rows: store.publish("pack", rows("a"), {}),
    "set aside": lambda store, rows: maintenance.set_aside(store),
    "compact": lambda store, rows: maintenance.compact(store),
    "read": lambda store, rows: store.read(),
    "done": lambda store, rows: store.done(),
    "weights": lambda store, rows: store.save_weights("a", UNSEALED.encode()),
    "lease": lambda store, rows: Leases(store).acquire("pack", ["a"]),
    "record failures": lambda store, rows: failures.record(store, "pack", ["a"], "x"),
    "clear failures": lambda store, rows: failures.clear(store),
    "check that it is writable": lambda store, rows: store.check_writable(),
}
USES = {
    "epochs": ("publish", "set aside", "compact", "read", "done", "check that it is writable"),
    "leases": ("lease", "check that it is writable"),
    "failures": ("record failures", "clear failures"),
    "weights": ("weights",),
    ".partial": ("publish", "weights", "lease", "record failures", "check that it is writable"),
}


@pytest.mark.parametrize(("folder", "operation"), [(f, o) for f, uses in USES.items() for o in uses])
def test_a_link_in_the_place_of_a_folder_is_refused_by_name(store, rows, private, folder, operation) -> None:
    Path(store.path()).mkdir(parents=True)
    Path(store.path(folder)).symlink_to(private, target_is_directory=True)
    before = {path.name: path.read_bytes() for path in private.iterdir()}
    with pytest.raises(UserError, match=rf"sweep/{folder} is a link"):
        OPERATIONS[operation](store, rows)
    assert {path.name: path.read_bytes() for path in private.iterdir()} == before


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_link_in_the_place_of_the_sweeps_folder_is_refused(store, rows, private, operation) -> None:
    Path(store.location).mkdir()
    Path(store.path()).symlink_to(private, target_is_directory=True)
    with pytest.raises(UserError, match=r"results/sweep is a link"):
        OPERATIONS[operation](store, rows)
    assert sorted(path.name for path in private.iterdir()) == ["id_rsa", "notes.parquet"]


def test_nothing_is_moved_to_a_damaged_folder_that_is_a_link(store, epochs, rows, private) -> None:
    store.publish("pack", rows("a"), {})
    (epochs / "torn.parquet").write_bytes(b"PAR1")
    Path(store.path("damaged")).symlink_to(private, target_is_directory=True)
    with pytest.raises(UserError, match="damaged is a link"):
        maintenance.set_aside(store)
    assert (epochs / "torn.parquet").exists()


@pytest.mark.parametrize("name", ["gone.parquet", "id_rsa", "notes.parquet"])
def test_a_link_among_the_results_is_refused_by_name_and_stays(store, epochs, rows, private, name) -> None:
    store.publish("pack", rows("a"), {})
    (epochs / "link.parquet").symlink_to(private / name)
    for operation in (store.done, store.read, lambda: maintenance.set_aside(store)):
        with pytest.raises(UserError, match=r"epochs/link\.parquet is a link"):
            operation()
    assert (epochs / "link.parquet").is_symlink()


def test_a_linked_sibling_is_not_looked_into(store, rows, tmp_path) -> None:
    outside = Store(tmp_path / "elsewhere", "sibling")
    outside.publish("pack", rows("a"), {})
    store.publish("pack", rows("b"), {})
    Path(store.location, "sibling").symlink_to(outside.path(), target_is_directory=True)
    assert store.take_over({"a": ("tune", None)}) == set()


def test_a_lock_that_another_process_holds_is_an_error_that_names_it_after_a_while(store) -> None:
    folder = store.folder("leases")
    with folder.lock("x"):
        pass
    with FileLock(Path(store.path("leases", "x"))):
        begin = time.monotonic()
        with (
            pytest.raises(UserError, match=r"leases/x: another process has held this lock"),
            folder.lock("x", 0.3),
        ):
            pass
        assert time.monotonic() - begin < 5
    with folder.lock("x", 0.3):
        pass


def test_a_pipe_is_refused_and_not_waited_for(tmp_path) -> None:
    os.mkfifo(tmp_path / "settings.yaml")
    with pytest.raises(UserError, match=r"settings\.yaml cannot be read: not a regular file"):
        open_storage(tmp_path).read("settings.yaml")

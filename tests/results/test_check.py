"""Everything wrong in a folder of results is found, and nothing is changed."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from dfa_tune.results import Leases, Store, checksum, failures
from dfa_tune.results.check import KINDS, check, sweep_names


@pytest.fixture
def healthy(store, rows):
    """A store with everything that a run leaves."""
    store.publish("one", rows("a", numerics=2) + rows("b", numerics=2), {"host": "one"})
    store.publish("two", rows("c", numerics=2), {"host": "two"})
    store.save_weights("a", save({"w": np.ones(3)}, {checksum.KEY: checksum.UNSEALED}))
    Leases(store).acquire("pack", ["d"])
    failures.record(store, "other", ["e"], "out of memory")
    store.folder("figures").put("a.png", b"png")
    return store


def snapshot(store: Store) -> dict[Path, bytes | str]:
    paths = Path(store.location).rglob("*")
    return {
        path: os.readlink(path) if path.is_symlink() else path.read_bytes()  # noqa: PTH115
        for path in paths
        if path.is_symlink() or path.is_file()
    }


def found(store: Store) -> list[tuple[str, str]]:
    before = snapshot(store)
    findings = check(store, numerics=2)
    assert snapshot(store) == before
    assert all(finding.kind in KINDS for finding in findings)
    return [(finding.kind, finding.path.removeprefix(store.path() + "/")) for finding in findings]


def test_a_healthy_folder_has_nothing_wrong(healthy):
    assert check(healthy, numerics=2) == []


def test_a_folder_that_does_not_exist_has_nothing_wrong(store):
    assert check(store) == []


def flip(path: str) -> None:
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 1
    Path(path).write_bytes(content)


def test_each_kind_of_fault_is_found_by_name(healthy, rows, write, tmp_path):
    store = healthy
    path = store.path
    flip(path("epochs", "two.parquet"))
    flip(path("weights", "a.safetensors"))
    Path(path("epochs", "notes.txt")).write_text("mine")
    store.folder("extras").put("0.parquet", b"PAR1")
    store.folder("checkpoints").put("0.safetensors", b"x")
    store.folder("leases").put("x.json", b"[]")
    store.folder("failures").put("x.json", b"[]")
    Path(path("epochs", "link.parquet")).symlink_to(tmp_path / "nowhere")
    Path(path("damaged")).symlink_to(tmp_path)
    write("incomplete", rows("f", numerics=2)[:2] + rows("g", numerics=2))
    store.publish("old", rows("h", numerics=1), {})
    store.publish("twice", rows("a", numerics=2), {})
    Path(path(".partial", ".x.tmp")).write_bytes(b"")
    assert found(store) == [
        ("partial", ".partial/.x.tmp"),
        ("damaged", "checkpoints/0.safetensors"),
        ("linked", "damaged"),
        ("incomplete", "epochs/incomplete.parquet"),
        ("linked", "epochs/link.parquet"),
        ("foreign", "epochs/notes.txt"),
        ("older", "epochs/old.parquet"),
        ("duplicated", "epochs/twice.parquet"),
        ("damaged", "epochs/two.parquet"),
        ("damaged", "extras/0.parquet"),
        ("foreign", "failures/x.json"),
        ("foreign", "leases/x.json"),
        ("damaged", "weights/a.safetensors"),
    ]


def test_a_file_of_a_newer_version_is_named_and_the_others_are_read(healthy):
    import pyarrow.parquet as pq

    path = healthy.path("epochs", "two.parquet")
    pq.write_table(pq.read_table(path).replace_schema_metadata({"schema_version": "99"}), path)
    flip(healthy.path("epochs", "one.parquet"))
    assert found(healthy) == [("damaged", "epochs/one.parquet"), ("newer", "epochs/two.parquet")]


def test_links_in_the_place_of_folders_are_named_and_not_followed(healthy, tmp_path):
    private = tmp_path / "private"
    private.mkdir()
    (private / "notes.txt").write_text("mine")
    Path(healthy.path("epochs")).rename(tmp_path / "epochs")
    Path(healthy.path("epochs")).symlink_to(private)
    assert found(healthy) == [("linked", "epochs")]
    linked = Store(tmp_path / "other", "sweep")
    Path(linked.location).mkdir()
    Path(linked.path()).symlink_to(healthy.path())
    assert [(f.kind, f.path) for f in check(linked)] == [("linked", linked.path())]


def test_the_sweeps_of_a_folder_are_listed(healthy):
    Store(healthy.location, "other").folder("figures").put("x.png", b"")
    assert sweep_names(healthy.location) == ["other", "sweep"]


def test_an_object_store_is_checked_too(rows):
    store = Store(f"memory://check-{time.time_ns()}", "sweep")
    store.publish("a", rows("a", numerics=2), {})
    store.epochs.put("torn.parquet", b"PAR1")
    assert [finding.kind for finding in check(store, numerics=2)] == ["damaged"]

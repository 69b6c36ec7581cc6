"""Publishing and reading."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load, save

from dfa_tune.errors import UserError
from dfa_tune.results import Store, checksum, maintenance
from dfa_tune.results.reader import DamagedFileWarning
from dfa_tune.results.schema import SCHEMA


def test_what_is_published_is_read_back_sorted_by_trial_and_epoch(store, rows):
    store.publish("two", rows("b")[::-1], {})
    store.publish("one", rows("a", k=None), {})
    read = store.read()
    assert list(zip(read.trial_id, read.epoch, strict=True)) == [(t, e) for t in "ab" for e in (1, 2, 3)]
    assert list(read.columns) == SCHEMA.names
    assert list(read.test_accuracy) == [0.01, 0.02, 0.03] * 2
    assert read.k.isna().tolist() == [True] * 3 + [False] * 3


def test_a_folder_that_is_not_there_yet_is_empty(store):
    assert store.done() == set()
    assert list(store.read().columns) == SCHEMA.names
    assert len(store.read(["a"], ["epoch"])) == 0
    assert store.take_over({"a": ("tune", None)}) == set()
    assert (maintenance.set_aside(store), maintenance.compact(store)) == ([], 0)


def test_publish_returns_the_files_path_and_leaves_nothing_else(store, epochs, rows):
    path = store.publish("pack", rows("a"), {})
    assert path == str(epochs / "pack.parquet")
    assert [path.name for path in epochs.iterdir()] == ["pack.parquet"]


def test_a_failed_publish_leaves_nothing_behind(store, epochs, rows, monkeypatch):
    store.publish("pack", rows("a"), {})

    def full_disk(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(UserError, match=r"pack\.parquet cannot be written: No space left on device"):
        store.publish("pack", rows("b"), {})
    assert [path.name for path in epochs.iterdir()] == ["pack.parquet"]
    assert store.done() == {"a"}


def test_file_and_folder_are_synced_before_and_after_the_name_appears(store, epochs, rows, monkeypatch):
    store.publish("first", rows("a"), {})
    events: list[object] = []
    sync, replace = os.fsync, Path.replace

    def watched_sync(descriptor):
        events.append(Path(f"/proc/self/fd/{descriptor}").resolve())
        sync(descriptor)

    def watched_replace(self, target):
        events.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    store.publish("pack", rows("b"), {})
    temporary, *others = events
    assert isinstance(temporary, Path)
    assert (temporary.parent, *others) == (epochs.parent / ".partial", "replace", epochs)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_trial_without_one_of_its_rows_cannot_be_published(store, rows, missing):
    torn = [row for index, row in enumerate(rows("b")) if index != missing]
    with pytest.raises(ValueError, match="trial b: not all of its evaluated epochs"):
        store.publish("pack", rows("a") + torn, {})
    assert store.names() == set()


def test_an_epoch_cannot_be_published_twice(store, rows):
    with pytest.raises(ValueError, match="pack: a trial has an epoch twice"):
        store.publish("pack", rows("a") + rows("a")[:1], {})


@pytest.mark.parametrize("stem", ["", ".hidden", "_private", "a/b"])
def test_a_stem_that_readers_would_not_find_is_refused(store, rows, stem):
    with pytest.raises(ValueError, match="stem"):
        store.publish(stem, rows("a"), {})


def test_columns_and_trials_can_be_chosen(store, rows):
    store.publish("pack", rows("a") + rows("b") + rows("c"), {})
    read = store.read({"c", "a", "unknown"}, ["test_accuracy", "trial_id"])
    assert list(read.columns) == ["test_accuracy", "trial_id"]
    assert read.trial_id.tolist() == ["a"] * 3 + ["c"] * 3


def test_a_column_that_no_file_has_is_an_error_that_names_it(store, rows):
    store.publish("pack", rows("a"), {})
    with pytest.raises(KeyError, match="accuracy_typo"):
        store.read(columns=["accuracy_typo"])


def test_one_file_can_be_read_alone(store, rows):
    store.publish("1", rows("a"), {})
    store.publish("2", rows("b"), {})
    assert set(store.read_file("2").trial_id) == {"b"}
    with pytest.raises(FileNotFoundError):
        store.read_file("3")


def test_pandas_reads_the_folder_by_itself(store, epochs, rows):
    store.publish("1", rows("a", k=None, dataset=None), {})
    store.publish("2", rows("b"), {})
    read = pd.read_parquet(epochs)
    assert list(read.columns) == SCHEMA.names
    assert len(read) == 6


def test_files_with_and_without_a_custom_problems_columns_are_united(store, rows):
    store.publish("1", rows("a"), {})
    store.publish("2", rows("b", depth=4), {})
    store.publish("3", rows("c", depth=0.5), {})
    read = store.read().groupby("trial_id").depth.first()
    assert read.isna()["a"]
    assert (read["b"], read["c"]) == (4, 0.5)
    assert store.read(columns=["depth"]).depth.max() == 4


def test_a_custom_column_of_numbers_here_and_text_there_is_read_as_text(store, rows):
    store.publish("1", rows("a", size=3), {})
    store.publish("2", rows("b", size="auto"), {})
    assert store.read()["size"].unique().tolist() == ["3", "auto"]


def test_metadata_lie_in_the_file(store, rows):
    path = store.publish("pack", rows("a"), {"host": "here"})
    assert pq.read_schema(path).metadata[b"host"] == b"here"


def test_spaces_links_and_relative_paths_lead_to_the_same_results(tmp_path, rows, monkeypatch):
    folder = tmp_path / "my results"
    Store(folder, "sweep").publish("pack", rows("a"), {})
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    uri = folder.as_uri()
    assert "%20" in uri
    for location in ("my results", tmp_path / "link", "link", f"{tmp_path}/./my results/", uri):
        assert Store(location, "sweep").done() == {"a"}


def test_a_relative_store_keeps_its_folder_when_the_process_moves(tmp_path, rows, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = pickle.loads(pickle.dumps(Store("results", "sweep")))  # noqa: S301 (our own bytes)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.publish("pack", rows("a"), {})
    assert (tmp_path / "results/sweep/epochs/pack.parquet").is_file()


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "a b", "a\n"])
def test_a_name_that_is_no_folders_name_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="letters, digits"):
        Store(tmp_path, name)


def weights(value: float) -> bytes:
    return save({"hidden.0.weight": np.full((4, 3), value)}, {checksum.KEY: checksum.UNSEALED})


def test_weights_are_written_beside_the_rows_and_read_back(store):
    store.save_weights("abc", weights(1.5))
    assert Path(store.path("weights", "abc.safetensors")).is_file()
    read = load(store.read_weights("abc"))
    assert list(read) == ["hidden.0.weight"]
    assert (read["hidden.0.weight"] == 1.5).all()
    assert store.read_weights("other") is None


def test_any_flipped_bit_of_weights_is_noticed_by_name(store):
    store.save_weights("good", weights(1.0))
    store.save_weights("bad", weights(1.5))
    path = Path(store.path("weights", "bad.safetensors"))
    content = path.read_bytes()
    mark = content.index(checksum.MARK)
    for at in [*range(0, mark, 7), *range(mark + len(checksum.MARK), len(content), 7)]:
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert store.damaged_weights() == {"bad"}
        with pytest.warns(DamagedFileWarning, match=r"weights/bad\.safetensors"):
            assert store.read_weights("bad") is None


def test_weights_of_version_0_1_have_no_checksum_and_are_read(store):
    store.folder("weights").put("old.safetensors", save({"w": np.ones(3)}))
    assert load(store.read_weights("old"))["w"].tolist() == [1, 1, 1]
    assert store.damaged_weights() == set()


def test_a_writable_place_passes_and_stays_without_files(store, epochs):
    store.check_writable()
    assert [path.name for path in epochs.iterdir()] == []


@pytest.mark.parametrize("way", ["results", "results/sweep", "results/sweep/epochs", "results/sweep/leases"])
def test_a_file_in_the_way_is_refused_by_name(store, tmp_path, way):
    (tmp_path / way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / way).write_text("here first")
    with pytest.raises(UserError, match=f"{tmp_path / way} is a file"):
        store.check_writable()


def test_a_place_that_refuses_writing_is_refused(tmp_path):
    # /proc refuses even root, without a mount
    with pytest.raises(UserError, match=r"/proc/results/sweep/epochs cannot be written"):
        Store("/proc/results", "sweep").check_writable()


def _publish_many(location, first, rows):
    for index in range(first, first + 20):
        Store(location, "sweep").publish(
            f"pack-{index}", [{**row, "trial_id": f"{index}"} for row in rows], {}
        )


def test_readers_see_whole_files_while_others_write(store, epochs, rows):
    store.publish("first", rows("first"), {})
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_publish_many, args=(store.location, first, rows("x"))) for first in (0, 100)
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert len(pd.read_parquet(epochs)) % 3 == 0
        assert store.read().groupby("trial_id").size().eq(3).all()
    assert len(store.done()) == 41


def test_reading_costs_a_few_milliseconds_a_file(store, epochs, rows):
    store.publish("pack", [row for member in range(10) for row in rows(f"{member}", epochs=20)], {})
    template = pq.read_table(epochs / "pack.parquet")
    for index in range(250):
        ids = pa.array([f"{index}-{member}" for member in template["trial_id"].to_pylist()])
        pq.write_table(template.set_column(0, "trial_id", ids), epochs / f"{index}.parquet")
    start = time.process_time()  # of all threads; not wall time, as others may use the machine
    read = store.read()
    took = time.process_time() - start
    assert len(read) == 251 * 200
    assert took < 251 * 8e-3, f"{took:.2f} s"  # about 2 ms a file: a thousand in a second on two cores


def test_importing_the_store_imports_neither_torch_nor_ray():
    code = "import sys, dfa_tune.results; print({'torch', 'ray'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

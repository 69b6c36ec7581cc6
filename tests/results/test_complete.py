"""Which trials are complete, and which of several copies is read."""

import numpy as np
import pandas as pd
import pytest

from dfa_tune.results import maintenance, schema
from dfa_tune.results.complete import Copies, by_preference
from dfa_tune.results.store import Store


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_trial_without_one_of_its_rows_is_neither_done_nor_read(store, rows, write, missing):
    write("pack", rows("a") + [row for index, row in enumerate(rows("b")) if index != missing])
    assert store.done() == {"a"}
    assert set(store.read().trial_id) == {"a"}
    assert store.find("b") is None


def test_the_rows_of_two_files_do_not_make_one_trial(store, rows, write):
    write("1", rows("a")[:2])
    write("2", rows("a")[2:])
    assert store.done() == set()


@pytest.mark.parametrize(
    ("epochs", "every", "evaluated"),
    [(5, 2, [2, 4, 5]), (4, 2, [2, 4]), (5, 10, [5]), (3, 1, [1, 2, 3]), (3, None, [1, 2, 3])],
)
def test_a_trial_is_complete_with_every_nth_epoch_and_the_last(store, rows, write, epochs, every, evaluated):
    trial = [row for row in rows("a", epochs=epochs, evaluate_every=every) if row["epoch"] in evaluated]
    store.publish("pack", trial, {})
    assert store.done() == {"a"}
    assert store.read().epoch.tolist() == evaluated
    for missing in range(len(evaluated)):
        write("pack", rows("b", epochs=1) + trial[:missing] + trial[missing + 1 :])
        assert store.done() == {"b"}


def test_a_file_from_before_evaluate_every_is_read_as_if_every_epoch_was_evaluated(store, rows, epochs):
    store.publish("pack", rows("a"), {})
    table = pd.read_parquet(epochs / "pack.parquet").drop(columns="evaluate_every")
    table.to_parquet(epochs / "pack.parquet")
    assert store.done() == {"a"}


def test_rows_that_contradict_each_other_are_not_a_trial(store, rows, write):
    short = [{**row, "epochs": 2} for row in rows("a")[:2]]
    write("1", [*short, {**rows("a")[2], "epochs": 3}])
    write("2", [{**row, "epoch": row["epoch"] - 1} for row in rows("b")])  # epochs 0 to 2
    write("3", [{**row, "epochs": 0} for row in rows("c")])
    write("4", [{**row, "epoch": row["epoch"] * 10} for row in rows("d")])
    assert store.done() == set()
    assert store.read().empty


@pytest.mark.parametrize("absurd", [-(2**63), -1, 0, 2**63 - 1])
@pytest.mark.parametrize("column", ["epoch", "epochs", "evaluate_every"])
def test_absurd_numbers_are_not_a_trial(store, rows, write, column, absurd):
    write("1", [{**row, column: absurd} for row in rows("a")])
    store.publish("2", rows("b"), {})
    assert "b" in store.done()
    assert set(store.read().trial_id) == store.done()


def test_a_trial_that_is_there_twice_is_read_from_the_file_with_more_rows_then_the_first_by_name(store, rows):
    store.publish("1", rows("a", seconds=1.0), {})
    store.publish("2", rows("a", seconds=2.0), {})
    assert store.read(["a"]).seconds.tolist() == [1.0] * 3
    store.publish("3", rows("b") + rows("a", seconds=3.0), {})
    assert store.read(["a"]).seconds.tolist() == [3.0] * 3


def test_a_complete_copy_counts_and_not_a_larger_file_with_a_part_of_the_trial(store, rows, write):
    store.publish("1", rows("a", seconds=1.0), {})
    write("2", rows("b") + rows("a", seconds=2.0)[:2])
    assert store.read(["a"]).seconds.tolist() == [1.0] * 3


def test_merged_files_come_first_whatever_their_size():
    small, large = (schema.table([row] * size, {}) for row, size in ((ROW, 1), (ROW, 2)))
    names = ["compacted-2-0123456789abcdef.parquet", "compacted-1-0123456789abcdef.parquet"]
    # Version 0.1 gave merged files a name without the round
    others = ["compacted-0123456789abcdef.parquet", "b.parquet"]
    tables = {"b.parquet": large, names[1]: small, others[0]: small, names[0]: small}
    assert list(by_preference(tables)) == [*names, "b.parquet", "compacted-0123456789abcdef.parquet"]


def seen(rng):
    """Some of the epochs 1 to 3."""
    return sorted(rng.choice(np.arange(1, 4), rng.integers(1, 4), replace=False))


def test_of_any_files_each_trial_has_one_copy_that_counts_and_superseded_files_have_none():
    """Compared with a plain loop over all copies, on random files."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        files = [
            {f"{trial}": seen(rng) for trial in rng.choice(6, rng.integers(1, 6), replace=False)}
            for _ in range(rng.integers(1, 6))
        ]
        rows, file = [], []
        for position, trials in enumerate(files):
            for trial, epochs in trials.items():
                rows += [{**ROW, "trial_id": trial, "epochs": 3, "epoch": int(e)} for e in epochs]
                file += [position] * len(epochs)
        order = rng.permutation(len(rows))
        copies = Copies(schema.table([rows[i] for i in order], {}), np.array(file)[order])
        counting = {}
        for position, trials in enumerate(files):
            for trial, epochs in trials.items():
                if len(epochs) == 3:
                    counting.setdefault(trial, position)
        assert copies.files() == counting
        assert copies.superseded() == {
            position
            for position, trials in enumerate(files)
            if all(len(epochs) == 3 and counting[trial] != position for trial, epochs in trials.items())
        }
        shown = copies.table.take(copies.rows()).to_pandas()
        assert list(zip(shown.trial_id, shown.epoch, strict=True)) == [
            (trial, epoch) for trial in sorted(counting) for epoch in (1, 2, 3)
        ]
        kept = copies.table.take(copies.rows_to_keep()).to_pandas()
        assert not kept.duplicated(["trial_id", "epoch"]).any()
        every = {
            (trial, int(epoch)) for trials in files for trial, epochs in trials.items() for epoch in epochs
        }
        assert set(zip(kept.trial_id, kept.epoch, strict=True)) == every


ROW = {
    "trial_id": "a",
    "stage": "tune",
    "method": "m",
    "learning_rate": 0.1,
    "seed": 0,
    "epochs": 1,
    "epoch": 1,
    "diverged": False,
}


# -- stopped trials


def stopped(rows, trial: str, last: int):
    return [row | {"stopped": True} for row in rows(trial, epochs=9) if row["epoch"] <= last]


def test_a_stopped_trial_is_read_and_is_not_done(store, rows):
    store.publish("1", stopped(rows, "a", 2), {})
    assert store.read().epoch.tolist() == [1, 2]
    assert (store.done(), store.whole()) == (set(), {"a"})
    assert store.find("a") is not None


def test_a_stopped_trial_that_lacks_an_epoch_is_not_read(store, rows, write):
    write("1", stopped(rows, "a", 4)[1:])
    write("2", [row | {"stopped": row["epoch"] == 2} for row in rows("b", epochs=9)[:2]])
    assert store.read().empty


def test_of_stopped_copies_the_longest_counts_and_a_complete_one_before_all(store, rows):
    store.publish("1", stopped(rows, "a", 2), {})
    store.publish("2", stopped(rows, "a", 4), {})
    assert store.read().epoch.tolist() == [1, 2, 3, 4]
    store.publish("3", rows("a", epochs=9), {})
    assert store.read().epoch.tolist() == list(range(1, 10))
    assert store.done() == {"a"}


def test_shorter_copies_are_dropped_by_maintenance(store, rows, epochs):
    store.publish("1", stopped(rows, "a", 2), {})
    store.publish("2", rows("a", epochs=9) + stopped(rows, "b", 3), {})
    assert maintenance.drop_copies(store) == ["1.parquet"]
    store.publish("3", stopped(rows, "b", 1), {})
    maintenance.compact(store)
    assert store.read().groupby("trial_id").size().to_dict() == {"a": 9, "b": 3}
    assert sum(len(pd.read_parquet(path)) for path in epochs.glob("*.parquet")) == 12


def test_no_other_sweep_takes_a_stopped_trial_over(store, rows, tmp_path):
    Store(store.location, "sibling").publish("1", stopped(rows, "a", 2) + rows("b", epochs=9), {})
    assert store.take_over({"a": ("tune", None), "b": ("tune", None)}) == {"b"}

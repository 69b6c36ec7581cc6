"""Maintenance by several processes at the same time, as on machines that share a folder."""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dfa_tune.results import Store, maintenance

ATTEMPTS = 12
TRIALS = 1000
SPAWN = multiprocessing.get_context("spawn")


def publish_what_two_hosts_have(store: Store, rows: Callable) -> set[str]:
    """Of two merged files, one has all trials of the other and two more."""
    shared = [row for trial in range(TRIALS) for row in rows(f"{trial}")]
    store.publish("a", shared, {"host": "one"})
    store.publish("b", shared + rows("only b 1") + rows("only b 2"), {"host": "two"})
    return store.done()


def _maintain(folder: str, what: str, barrier) -> None:
    for attempt in range(ATTEMPTS):
        store = Store(f"{folder}/{attempt}", "sweep")
        barrier.wait(120)
        if what == "compact":
            maintenance.compact(store)
        else:  # what a run does when it starts, at a moment of the other's work that differs each time
            time.sleep(0.01 * attempt)
            maintenance.drop_copies(store)
        barrier.wait(120)


@pytest.mark.parametrize("other", ["run", "compact"])
def test_compact_beside_a_run_that_starts_or_another_compact_loses_no_trial(
    tmp_path: Path, rows, other: str
) -> None:
    stores = [Store(tmp_path / f"{attempt}", "sweep") for attempt in range(ATTEMPTS)]
    expected = [publish_what_two_hosts_have(store, rows) for store in stores]
    barrier = SPAWN.Barrier(2)
    processes = [
        SPAWN.Process(target=_maintain, args=(str(tmp_path), what, barrier)) for what in ("compact", other)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0]
    lost = [len(trials - store.done()) for store, trials in zip(stores, expected, strict=True)]
    assert lost == [0] * ATTEMPTS

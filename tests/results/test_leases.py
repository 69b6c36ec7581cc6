"""Two runs at once share the work."""

import json
import math
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from dfa_tune.results import Leases, Store


@pytest.fixture
def ours(store) -> Leases:
    return Leases(store)


@pytest.fixture
def theirs(store) -> Leases:
    return Leases(Store(store.location, store.name))


def age(leases: Leases, pack_id: str, seconds: float) -> None:
    path = Path(leases.store.path("leases", f"{pack_id}.json"))
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "refreshed": time.time() - seconds}))


def test_a_pack_is_held_by_one_run(ours, theirs):
    assert ours.acquire("pack", ["a", "b"])
    assert not theirs.acquire("pack", ["a", "b"])
    assert ours.acquire("pack", ["a", "b"])


def test_a_trial_is_held_by_one_run_whatever_its_pack(ours, theirs):
    assert ours.acquire("pack", ["a", "b"])
    assert not theirs.acquire("other", ["b", "c"])
    assert theirs.acquire("other", ["c"])


def test_both_runs_see_what_is_held(ours, theirs):
    ours.acquire("pack", ["a"])
    theirs.acquire("other", ["b"])
    seen = ours.active()
    assert {pack: lease.trial_ids for pack, lease in seen.items()} == {"pack": ["a"], "other": ["b"]}
    assert seen["pack"].owner == ours.owner != seen["other"].owner


def test_a_released_pack_is_free(ours, theirs):
    ours.acquire("pack", ["a"])
    ours.release("pack")
    assert ours.active() == {}
    assert theirs.acquire("pack", ["a"])


def test_a_lease_expires_a_minute_after_its_last_refresh(ours, theirs):
    ours.acquire("pack", ["a"])
    age(ours, "pack", 59)
    assert not theirs.acquire("pack", ["a"])
    age(ours, "pack", 61)
    assert ours.active() == {}
    assert theirs.acquire("pack", ["a"])


def test_a_refreshed_lease_lives_on(ours, theirs):
    ours.acquire("pack", ["a"])
    age(ours, "pack", 59)
    acquired = ours.active()["pack"].acquired
    assert ours.refresh("pack")
    lease = ours.active()["pack"]
    assert time.time() - lease.refreshed < 10
    assert lease.acquired == acquired


def test_what_another_run_has_by_now_is_neither_refreshed_nor_released(ours, theirs):
    ours.acquire("pack", ["a"])
    age(ours, "pack", 61)
    theirs.acquire("pack", ["a"])
    assert not ours.refresh("pack")
    ours.release("pack")
    assert theirs.active()["pack"].owner == theirs.owner


def test_a_worker_of_the_same_run_refreshes_for_it(ours):
    ours.acquire("pack", ["a"])
    assert Leases(ours.store, owner=ours.owner).refresh("pack")


def test_a_lease_from_the_far_future_does_not_block_for_ever(ours, theirs):
    ours.acquire("pack", ["a"])
    age(ours, "pack", -86_400)
    assert theirs.acquire("pack", ["a"])


LEASE = {"trial_ids": ["a"], "owner": "x", "host": "h", "pid": 1, "acquired": 1.0}
HOSTILE = {
    "empty": b"",
    "not JSON": b"{",
    "a list": b"[]",
    "keys are missing": b'{"owner": "x"}',
    "not UTF-8": b'{"owner": "\xff"}',
    "trial_ids is a number": json.dumps(LEASE | {"refreshed": time.time(), "trial_ids": 1}).encode(),
    "trial_ids holds lists": json.dumps(LEASE | {"refreshed": time.time(), "trial_ids": [["a"]]}).encode(),
    "refreshed is text": json.dumps(LEASE | {"refreshed": "now"}).encode(),
    "refreshed is a list": json.dumps(LEASE | {"refreshed": []}).encode(),
    "refreshed is a boolean": json.dumps(LEASE | {"refreshed": True}).encode(),
    "process is a list": json.dumps(LEASE | {"refreshed": time.time(), "process": ["x"]}).encode(),
    "pid is text": json.dumps(LEASE | {"refreshed": time.time(), "pid": "../../etc"}).encode(),
    "deep": json.dumps(LEASE)[:-1].encode() + b', "refreshed": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_that_is_not_a_lease_blocks_nobody(ours, content):
    path = Path(ours.store.path("leases", "pack.json"))
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert ours.active() == {}
    assert ours.acquire("other", ["a"])
    assert ours.acquire("pack", ["a"])


@pytest.mark.parametrize("refreshed", [math.nan, math.inf, 1e300, -1e300])
def test_a_lease_with_an_absurd_time_blocks_nobody_and_is_removed(ours, refreshed):
    folder = ours.store.folder("leases")
    folder.put("old.json", json.dumps(LEASE | {"refreshed": refreshed}).encode())
    assert ours.acquire("pack", ["a"])
    assert folder.files() == ["pack.json"]


def test_leases_of_runs_long_dead_are_cleared_away(ours, theirs):
    ours.acquire("old", ["a"])
    age(ours, "old", 4000)
    theirs.acquire("new", ["b"])
    assert not Path(ours.store.path("leases", "old.json")).exists()


def _acquire_all(location, results, over):
    leases = Leases(Store(location, "sweep"))
    results.put([index for index in range(30) if leases.acquire(f"pack-{index}", [f"{index}"])])
    over.wait(60)  # a run that has ended need not be waited for


def test_runs_that_race_for_the_same_packs_each_get_others(store):
    context = multiprocessing.get_context("spawn")
    results, over = context.Queue(), context.Event()
    runs = [context.Process(target=_acquire_all, args=(store.location, results, over)) for _ in range(3)]
    for run in runs:
        run.start()
    got = [pack for _ in runs for pack in results.get(timeout=60)]
    over.set()
    for run in runs:
        run.join()
    assert sorted(got) == list(range(30))


def _acquire_and_die(location):
    Leases(Store(location, "sweep"), owner="killed").acquire("pack", ["a"])
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_run_of_this_machine_need_not_be_waited_for(ours, store):
    run = multiprocessing.get_context("spawn").Process(target=_acquire_and_die, args=(store.location,))
    run.start()
    run.join()
    assert Path(store.path("leases", "pack.json")).is_file()
    assert ours.active() == {}
    assert ours.acquire("pack", ["a"])


def _change(leases: Leases, **values) -> None:
    path = Path(leases.store.path("leases", "pack.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_another_process_with_the_number_of_a_dead_one_does_not_keep_its_lease(ours, theirs):
    ours.acquire("pack", ["a"])
    machine = ours.active()["pack"].process.rpartition(" ")[0]
    _change(ours, process=f"{machine} 1")  # it began in another moment than the one that lives
    assert theirs.acquire("pack", ["a"])


@pytest.mark.parametrize("process", ["", "another-boot pid:[1] 5", "nonsense"])
def test_a_process_of_another_machine_is_given_its_minute(ours, theirs, process):
    ours.acquire("pack", ["a"])
    _change(ours, process=process, pid=2**22 + 1)
    assert not theirs.acquire("pack", ["a"])
    age(ours, "pack", 61)
    assert theirs.acquire("pack", ["a"])


def test_a_runs_own_leases_are_not_read_again_for_each_pack(ours, monkeypatch):
    """With a thousand packs in flight, and results on a file server, that would be all the driver does."""
    for number in range(20):
        ours.acquire(f"pack{number}", [str(number)])
    storage = ours.store.storage
    read, paths = type(storage).read, []
    monkeypatch.setattr(
        storage, "read", lambda path, size=None: (paths.append(path), read(storage, path, size))[1]
    )
    assert ours.acquire("one more", ["x"])
    assert paths == ["sweep/leases/one more.json"]

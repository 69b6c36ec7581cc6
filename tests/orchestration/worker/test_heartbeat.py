"""A pack's lease is kept while it is trained, and given back after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.heartbeat import Heartbeat
from dfa_tune.planning.state import SweepState
from dfa_tune.results.leases import Leases


@pytest.fixture
def pack(make_state: Callable[..., SweepState]) -> Pack:
    return Pack(tuple(make_state().ready()[:2]))


@pytest.fixture
def leases(make_state: Callable[..., SweepState]) -> Leases:
    return Leases(make_state().store)


@pytest.fixture
def heartbeat(leases: Leases, pack: Pack) -> Iterator[Heartbeat]:
    started = Heartbeat(leases, pack, seconds=0.05)
    yield started
    started.stop(release=False)


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10.0
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_lease_is_taken_and_refreshed(heartbeat: Heartbeat, leases: Leases, pack: Pack) -> None:
    wait_for(lambda: pack.id in leases.active())
    first = leases.active()[pack.id]
    assert first.trial_ids == [trial.id for trial in pack.trials]
    wait_for(lambda: leases.active()[pack.id].refreshed > first.refreshed)
    assert not heartbeat.lost


def test_a_worker_learns_that_another_run_has_taken_its_pack(
    heartbeat: Heartbeat, leases: Leases, pack: Pack
) -> None:
    wait_for(lambda: pack.id in leases.active())
    other = Leases(leases.store)
    ids = [trial.id for trial in pack.trials]
    wait_for(lambda: leases.release(pack.id) or other.acquire(pack.id, ids))  # between two beats
    wait_for(lambda: heartbeat.lost)


def test_a_lease_that_is_released_is_gone_and_one_that_is_not_stays(leases: Leases, pack: Pack) -> None:
    for release in (False, True):
        leases.acquire(pack.id, [trial.id for trial in pack.trials])
        Heartbeat(leases, pack, seconds=60.0).stop(release=release)
        assert (pack.id in leases.active()) == (not release)

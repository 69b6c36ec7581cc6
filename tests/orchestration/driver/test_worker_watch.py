"""Workers that have stopped without ending, by the rule alone; time passes when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dfa_tune.orchestration.driver.worker_watch import HUNG_SECONDS, LOOK_SECONDS, WorkerWatch
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.planning.state import SweepState
from dfa_tune.results.leases import EXPIRES, Leases


class Watched:
    """A worker that trains a pack, and a driver that looks after it."""

    def __init__(self, state: SweepState, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        # Leases hold the time of the day, which passes as the driver's clock does
        monkeypatch.setattr("dfa_tune.results.leases.time.time", lambda: 1.7e9 + self.now)
        self.pack = Pack(tuple(state.ready()[:2]))
        self.leases = Leases(state.store)
        self.leases.acquire(self.pack.id, [trial.id for trial in self.pack.trials])
        self.watch = WorkerWatch(self.leases, clock=lambda: self.now)

    def pass_time(self, seconds: float, *, beats: bool = False, reports: bool = False) -> list[str]:
        """What the driver finds in so many seconds; `beats`: the worker refreshes its lease."""
        found: list[str] = []
        for _ in range(int(seconds / LOOK_SECONDS)):
            self.now += LOOK_SECONDS
            if beats and self.now % (EXPIRES / 4) == 0:
                self.leases.refresh(self.pack.id)
            if reports:
                self.watch.reported("a")
            found += self.watch.look({"a": self.pack}).values()
        return found


@pytest.fixture
def worker(make_state: Callable[..., SweepState], monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(make_state(), monkeypatch)


def test_a_worker_without_any_sign_of_life_has_stopped_when_its_lease_expires(worker: Watched) -> None:
    assert worker.pass_time(EXPIRES) == []
    assert worker.pass_time(30.0) == ["its worker stopped responding for 65 s"]


def test_a_worker_that_reports_goes_on_whatever_its_lease_says(worker: Watched) -> None:
    assert worker.pass_time(600.0, reports=True) == []


def test_a_worker_in_a_long_step_goes_on_as_long_as_it_refreshes_its_lease(worker: Watched) -> None:
    assert worker.pass_time(1200.0, beats=True) == []
    assert len(worker.pass_time(2 * EXPIRES)) == 1


def test_a_worker_whose_training_hangs_has_stopped_after_an_hour(worker: Watched) -> None:
    assert worker.pass_time(HUNG_SECONDS, beats=True) == []
    assert worker.pass_time(60.0, beats=True) == ["its worker trained for 60 min without a report"]


def test_a_lease_that_another_run_refreshes_is_no_sign_of_life(worker: Watched) -> None:
    worker.pass_time(EXPIRES)
    worker.leases.release(worker.pack.id)
    other = Leases(worker.leases.store)
    other.acquire(worker.pack.id, [trial.id for trial in worker.pack.trials])
    assert len(worker.pass_time(LOOK_SECONDS)) == 1


def test_time_in_which_the_driver_itself_was_suspended_does_not_count(worker: Watched) -> None:
    worker.pass_time(20.0)
    worker.now += 10_000.0
    assert worker.watch.look({"a": worker.pack}) == {}
    assert worker.pass_time(30.0, beats=True) == []


def test_a_worker_that_is_still_there_is_named_again_after_as_long(worker: Watched) -> None:
    assert len(worker.pass_time(3 * (EXPIRES + LOOK_SECONDS))) == 3


def test_a_stopped_worker_is_replaced_and_its_pack_handed_out_again(make_sweep: Callable[..., Any]) -> None:
    sweep = make_sweep()
    pack = sweep.pack("a")
    sweep.report("a")
    stopped: list[str] = []
    for _ in range(20):
        sweep.clock.now += LOOK_SECONDS
        stopped += sweep.search.stopped_workers(lambda: ["a"])
    assert stopped == ["a"]
    sweep.die("a", cause="Ray's own words")
    assert sweep.pack("b") == pack


def test_a_pack_that_kills_its_workers_fails_with_what_was_seen(make_sweep: Callable[..., Any]) -> None:
    sweep = make_sweep(size=1)
    sweep.pack("0")
    for number in range(3):
        while not sweep.search.stopped_workers(lambda name=str(number): [name]):
            sweep.clock.now += LOOK_SECONDS
        sweep.die(f"{number}", cause="Ray's own words")
        sweep.suggest(f"{number + 1}")
    assert [failure.cause for failure in sweep.search.failures] == ["its worker stopped responding for 65 s"]

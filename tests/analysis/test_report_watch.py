"""The report that follows a run: when it is written, and what it says."""

from __future__ import annotations

import time

import pytest

from dfa_tune.analysis.report import Following
from dfa_tune.analysis.report_watch import Progress, progress, watch
from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.problems.digits import DIGEST
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store


def test_it_is_written_when_something_is_new_and_at_last_follows_nothing() -> None:
    seen = [Progress(4, 0, 2), Progress(4, 0, 2), Progress(4, 3, 1), Progress(4, 4, 0)]
    written: list[Following | None] = []
    pauses: list[float] = []
    ended = watch(written.append, iter(seen).__next__, pauses.append)
    assert ended == seen[-1]
    said = [None if one is None else one.said.partition(";")[0] for one in written]
    assert said == ["0 of 4 trials done, 2 running", "3 of 4 trials done, 1 running", None]
    assert len(pauses) == 3
    assert min(pauses) >= 5


def test_interrupted_it_leaves_a_page_that_follows_nothing() -> None:
    written: list[Following | None] = []

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(written.append, lambda: Progress(4, 1, 1), interrupt)
    assert written[-1] is None


def test_a_page_that_takes_long_is_written_and_loaded_less_often(monkeypatch) -> None:
    clock = iter([0.0, 4.0, 10.0, 14.0])  # each takes four seconds
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    written: list[Following | None] = []
    pauses: list[float] = []
    seen = [Progress(4, 0, 2), Progress(4, 1, 2), Progress(4, 4, 0)]
    watch(written.append, iter(seen).__next__, pauses.append)
    assert pauses == [20, 20]  # a fifth of the time goes into writing
    assert [one.seconds for one in written[:2] if one] == [5, 20]


def test_nothing_is_complete_before_there_is_anything_to_do() -> None:
    assert not Progress(0, 0, 0).complete
    assert not Progress(4, 4, 1).complete  # as one that repeats until it is decided
    assert Progress(4, 4, 0).complete


def test_progress_counts_trials_that_are_done_and_that_are_being_trained(space, trained, tmp_path) -> None:
    plan = Plan(load_sweep(space), DIGEST)
    store = Store(tmp_path / "results", "tiny")
    assert progress(tmp_path / "results", spaces=[str(space)]) == Progress(12, 0, 0)  # 2 x (3 rates + 3)
    rows = trained(plan, rounds=1).rows
    store.publish("pack", rows, {})
    waiting = plan.cells[0].repeat_trials(trained(plan, rounds=1).scores)
    Leases(store).acquire("next", [trial.id for trial in waiting])
    assert progress(tmp_path / "results", spaces=[str(space)]) == Progress(12, 6, 3)


def test_interrupted_before_there_are_results_it_is_interrupted() -> None:
    def write(following: Following | None) -> None:
        if following is None:
            raise UserError("no results yet")

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(write, lambda: Progress(4, 0, 0), interrupt)

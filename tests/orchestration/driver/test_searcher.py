"""The searcher and the state, driven by hand: no worker, real Parquet files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dfa_tune.errors import UserError
from dfa_tune.orchestration.driver.searcher import TuneThenRepeat
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.packs.placement import Slots
from dfa_tune.orchestration.worker.checkpoints import Checkpoint, Checkpoints
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.results import reader
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store

SPACE = """
name: tiny
title: tiny
problem: {kind: parity, dataset: digits, k: 1, train_samples: 64, test_samples: 10}
network: {hidden: 4}
training: {epochs: 2, batch_size: 64}
methods: [{rule: [bp, dfa], optimizer: sgd}]
learning_rates: {sgd: [0.1, 0.2, 0.4]}
repetitions: 2
"""


@pytest.fixture
def state(tmp_path: Path) -> SweepState:
    space = tmp_path / "tiny.yaml"
    space.write_text(SPACE)
    return SweepState(Plan(load_sweep(space), "0" * 16), Store(tmp_path / "results", "tiny"), pd.DataFrame())


def searcher(state: SweepState, **changes: Any) -> TuneThenRepeat:
    given = {"size": 3, "slots": [Slots(request={"CPU": 1.0}, count=10)]} | changes
    return TuneThenRepeat(state, Leases(state.store), {"name": "tiny"}, **given)


def publish(state: SweepState, pack: Pack, accuracy: dict[float, float]) -> None:
    """Rows as a worker would publish them, with a test accuracy for each learning rate."""
    rows = [
        {
            **trial.columns(),
            "device": "cpu",
            "epoch": epoch,
            "test_accuracy": accuracy.get(trial.learning_rate),
            "diverged": trial.learning_rate not in accuracy,
            "seconds": 0.0,
        }
        for trial in pack.trials
        for epoch in (1, 2)
    ]
    state.store.publish(pack.id, rows, {})


def suggested(search: TuneThenRepeat, name: str) -> Pack:
    config = search.suggest(trial_id=name)
    assert isinstance(config, dict)
    return Pack.from_json(config["pack"])


def test_repetitions_of_a_method_come_as_soon_as_its_rates_are_in(state: SweepState) -> None:
    search = searcher(state)
    bp, dfa = suggested(search, "a"), suggested(search, "b")
    assert search.suggest(trial_id="c") is None  # nothing is known yet
    publish(state, bp, {0.1: 0.6, 0.2: 0.9, 0.4: 0.7})
    search.on_trial_complete(trial_id="a", result={})
    repeats = suggested(search, "d")  # DFA's tuning still runs: there is no barrier
    assert {t.stage for t in repeats.trials} == {"repeat"}
    assert {t.learning_rate for t in repeats.trials} == {0.2}
    assert len({t.seed for t in repeats.trials} | {t.seed for t in dfa.trials}) == 3


def test_finished_comes_when_every_trial_is_done(state: SweepState) -> None:
    search = searcher(state)
    for name in "abcd":
        publish(state, suggested(search, name), {0.1: 0.6, 0.2: 0.9, 0.4: 0.7})
        search.on_trial_complete(trial_id=name, result={})
    assert search.suggest(trial_id="e") == "FINISHED"
    assert state.count().remaining == 0


@pytest.mark.parametrize("size", [1, 2])
def test_two_runs_at_once_train_no_trial_twice(tmp_path: Path, state: SweepState, size: int) -> None:
    """The first ends three packs while the second is at one: what is not leased any more may be done."""
    others = SweepState(state.plan, state.store, pd.DataFrame())
    one_at_a_time = [Slots(request={"CPU": 1.0}, count=1)]
    runs = [searcher(state, size=1, slots=one_at_a_time), searcher(others, size=size, slots=one_at_a_time)]
    trained: list[str] = []

    def end(run: TuneThenRepeat) -> None:
        ((name, pack),) = run.running.items()
        publish(state, pack, {0.1: 0.6, 0.2: 0.9, 0.4: 0.7})
        run._leases.release(pack.id)  # as the worker does
        run.on_trial_complete(trial_id=name, result={})
        trained.extend(trial.id for trial in pack.trials)

    said: dict[int, Any] = {}
    for turn in range(100):
        for index, run in enumerate(runs):
            if run.running and (index == 0 or turn % 3 == 0):
                end(run)
            if not run.running:
                run._polled = -1e9  # it looks every two seconds
                said[index] = run.suggest(trial_id=f"{index}-{turn}")
        if list(said.values()) == ["FINISHED", "FINISHED"]:
            break
    assert len(trained) == len(set(trained)) == state.plan.planned
    assert [run.state.count().remaining for run in runs] == [0, 0]
    assert list(said.values()) == ["FINISHED", "FINISHED"]
    assert Leases(state.store).active() == {}


def test_what_another_run_has_ended_settles_a_rate_here(state: SweepState) -> None:
    """All that this run still had to tune was trained elsewhere: its repetitions come, and not the end."""
    search = searcher(state, slots=[Slots(request={"CPU": 1.0}, count=1)])
    bp = suggested(search, "a")
    dfa = Pack(tuple(trial for trial in state.ready() if trial not in bp.trials))
    for pack in (bp, dfa):
        publish(state, pack, {0.1: 0.6, 0.2: 0.9, 0.4: 0.7})
    search.on_trial_complete(trial_id="a", result={})
    config = next(filter(None, (search.suggest(trial_id="b") for _ in range(3))))
    assert isinstance(config, dict)
    assert {trial.stage for trial in Pack.from_json(config["pack"]).trials} == {"repeat"}
    assert {trial.id for trial in dfa.trials} <= state.scores.keys()


def test_files_are_read_once(state: SweepState, monkeypatch: pytest.MonkeyPatch) -> None:
    search = searcher(state)
    first, second = suggested(search, "a"), suggested(search, "b")
    publish(state, first, {0.1: 0.6})
    publish(state, second, {0.1: 0.6})
    search.on_trial_complete(trial_id="a", result={})  # reads the first
    read: list[str] = []
    read_file = reader.read_file
    monkeypatch.setattr(
        reader, "read_file", lambda place, path, *rest: read.append(path) or read_file(place, path, *rest)
    )
    for _ in range(2):
        state.refresh()
    assert [Path(path).stem for path in read] == [second.id]


def test_a_diverged_rate_is_not_chosen(state: SweepState) -> None:
    search = searcher(state)
    publish(state, suggested(search, "a"), {0.1: 0.6})
    search.on_trial_complete(trial_id="a", result={})
    suggested(search, "b")
    assert {t.learning_rate for t in suggested(search, "c").trials} == {0.1}


def test_a_pack_whose_worker_died_is_handed_out_again_and_then_in_halves(state: SweepState) -> None:
    search = searcher(state)
    first = suggested(search, "a")
    sizes = []
    for name, following in pairwise("abcdefgh"):
        search.on_trial_complete(trial_id=name, error=True)
        pack = suggested(search, following)
        sizes.append(len(pack.trials))
        assert {t.id for t in pack.trials} <= {t.id for t in first.trials}
    # Twice more as a whole; then its first trial, twice and out; then the other two, twice, and in halves
    assert sizes == [3, 3, 1, 1, 2, 2, 1]
    assert search.failed.keys() == {"e"}


def test_a_worker_that_died_after_another_checkpoint_died_for_the_first_time(state: SweepState) -> None:
    search = searcher(state)
    pack = suggested(search, "a")
    for saved in (0.1, 0.2, 0.3, 0.4):
        search.on_trial_result("a", {"saved": saved, "progress": saved, "pack_seconds": 0.0})
        search.on_trial_complete(trial_id="a", error=True)
        assert suggested(search, "a") == pack


def test_a_pack_too_large_for_its_worker_is_split_and_what_cannot_be_fails_alone(state: SweepState) -> None:
    search = searcher(state)
    suggested(search, "a")
    for name in "abcde":
        search.on_trial_complete(trial_id=name, result={"outcome": "too large", "cause": "out of memory"})
        following = suggested(search, chr(ord(name) + 1))
    assert {t.method.rule for t in following.trials} == {"dfa"}  # the others go on
    assert [len(pack.trials) for pack in search.failed.values()] == [1, 1, 1]
    assert set(search.causes.values()) == {"out of memory"}


def test_a_failed_trial_ends_its_method_and_no_other(state: SweepState) -> None:
    search = searcher(state, size=1)
    first = suggested(search, "a")
    search.on_trial_complete(trial_id="a", result={"outcome": "too large", "cause": "out of memory"})
    for index in range(7):
        publish(state, suggested(search, f"{index}"), {0.1: 0.6, 0.2: 0.9, 0.4: 0.7})
        search.on_trial_complete(trial_id=f"{index}", result={})
    assert search.suggest(trial_id="z") == "FINISHED"
    assert state.count().done == 7
    assert [pack.id for pack in search.failed.values()] == [first.id]


def test_results_that_cannot_be_written_end_the_run(state: SweepState) -> None:
    search = searcher(state)
    suggested(search, "a")
    with pytest.raises(UserError, match="No space left"):
        search.on_trial_complete(
            trial_id="a", result={"outcome": "unwritable", "cause": "No space left on device"}
        )


def test_packs_that_have_a_checkpoint_are_formed_again_as_they_were(state: SweepState) -> None:
    ends, middle = all_rates(state)
    Checkpoints(state.store).save(ends, {}, Checkpoint(state={}, rows=[], started=0.0))
    search = searcher(state, size=2)
    assert suggested(search, "a") == ends  # no cut in order has these two together
    assert suggested(search, "b") == middle


def test_a_checkpoint_of_trials_that_no_pack_has_together_forms_none(state: SweepState) -> None:
    trials = state.ready()
    mixed = Pack((trials[0], trials[-1]))
    assert mixed.trials[0].method != mixed.trials[1].method
    Checkpoints(state.store).save(mixed, {}, Checkpoint(state={}, rows=[], started=0.0))
    search = searcher(state, size=1)
    packs = [suggested(search, str(number)) for number in range(len(trials))]
    assert sorted(pack.trials[0].id for pack in packs) == sorted(trial.id for trial in trials)


def all_rates(state: SweepState) -> tuple[Pack, Pack]:
    """The three rates of one method as packs: the first with the last, and the one between them."""
    first, second, third = state.ready()[:3]
    assert first.method == third.method
    return Pack((first, third)), Pack((second,))


def test_what_is_done_already_is_not_handed_out(state: SweepState) -> None:
    first = searcher(state)
    publish(state, suggested(first, "a"), {0.1: 0.6, 0.2: 0.9, 0.4: 0.7})
    again = SweepState(state.plan, state.store, state.store.read())
    assert again.count().done == 3
    assert {t.method.rule for t in again.ready() if t.stage == "tune"} == {"dfa"}


def test_a_pack_that_another_run_holds_is_waited_for_and_not_trained_twice(
    state: SweepState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfa_tune.orchestration.driver.searcher.POLL_SECONDS", 0.0)
    mine, theirs = searcher(state), searcher(state)
    held = suggested(theirs, "x")
    handed = suggested(mine, "a")
    assert {t.id for t in handed.trials}.isdisjoint(t.id for t in held.trials)
    assert mine.suggest(trial_id="b") is None
    publish(state, held, {0.1: 0.6, 0.2: 0.9, 0.4: 0.7})
    repeats = suggested(mine, "c")  # what the other run found is taken up
    assert {t.stage for t in repeats.trials} == {"repeat"}

"""The searcher and the state, driven by hand: no worker, real Parquet files."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.packs.placement import Slots
from dfa_tune.orchestration.worker.checkpoints import Checkpoint, Checkpoints
from dfa_tune.planning.state import SweepState
from dfa_tune.results import reader
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store

MakeSweep = Callable[..., Any]
ONE = [Slots(request={"CPU": 1.0}, count=1)]


def test_repetitions_of_a_method_come_as_soon_as_its_rates_are_in(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    sweep.pack("a")
    dfa = sweep.pack("b")
    assert sweep.suggest("c") is None  # nothing is known yet
    sweep.end("a", {0.1: 0.6, 0.2: 0.9, 0.4: 0.7})
    repeats = sweep.pack("d")  # DFA's tuning still runs: there is no barrier
    assert {t.stage for t in repeats.trials} == {"repeat"}
    assert {t.learning_rate for t in repeats.trials} == {0.2}
    assert len({t.seed for t in repeats.trials} | {t.seed for t in dfa.trials}) == 3


def test_finished_comes_when_every_trial_is_done(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    for name in "abcd":
        sweep.pack(name)
        sweep.end(name)
    assert sweep.suggest("e") == "FINISHED"
    assert sweep.state.count().remaining == 0


@pytest.mark.parametrize("size", [1, 2])
def test_two_runs_at_once_train_no_trial_twice(make_sweep: MakeSweep, size: int) -> None:
    """The first ends three packs while the second trains one: what has no lease any more may be done."""
    runs = [make_sweep(size=1, slots=ONE), make_sweep(size=size, slots=ONE)]
    trained: list[str] = []
    answers: dict[int, Any] = {}
    for turn in range(100):
        for index, run in enumerate(runs):
            if run.search.running and (index == 0 or turn % 3 == 0):
                trained += run.end(next(iter(run.search.running)))
            if not run.search.running:
                run.clock.now += 10.0
                answers[index] = run.suggest(f"{index}-{turn}")
        if list(answers.values()) == ["FINISHED", "FINISHED"]:
            break
    assert len(trained) == len(set(trained)) == runs[0].state.plan.planned
    assert [run.state.count().remaining for run in runs] == [0, 0]
    assert list(answers.values()) == ["FINISHED", "FINISHED"]
    assert Leases(runs[0].state.store).active() == {}


def test_what_another_run_has_ended_decides_a_rate_here(make_sweep: MakeSweep) -> None:
    """All that this run still had to tune was trained elsewhere: its repetitions come, and not the end."""
    sweep, other = make_sweep(slots=ONE), make_sweep()
    sweep.pack("a")
    other.pack("x")  # what the first run trains already: it is held
    dfa = other.configs["x"].pack
    assert {trial.method.rule for trial in dfa.trials} == {"dfa"}
    other.end("x")
    sweep.end("a")
    pack = next(filter(None, (sweep.suggest("b") for _ in range(3))))
    assert isinstance(pack, Pack)
    assert {trial.stage for trial in pack.trials} == {"repeat"}
    assert {trial.id for trial in dfa.trials} <= sweep.state.scores.keys()


def test_repetitions_that_another_space_has_are_copied_when_their_rate_is_chosen(
    make_sweep: MakeSweep,
) -> None:
    sweep = make_sweep()
    at_best = str(sweep.state.plan.sweep.text).replace("[0.1, 0.2, 0.4]", "0.2")
    other = make_sweep(at_best.replace("name: tiny", "name: other"))
    trained = [name for pack in other.hand_out() for name in other.end(pack)]
    assert sweep.state.take_over() == 0  # no rate is chosen yet
    for pack in sweep.hand_out():
        sweep.end(pack)
    assert sweep.suggest("repetitions") == "FINISHED"
    assert sweep.state.taken_over == len(trained) == 4
    assert sweep.state.count().remaining == 0
    assert set(sweep.state.store.read(set(trained))["stage"]) == {"repeat"}


def test_files_are_read_once(make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep, other = make_sweep(), make_sweep()
    sweep.pack("a")
    other.pack("b")
    other.end("b")
    sweep.end("a")  # reads the file of this pack
    read: list[str] = []
    read_file = reader.read_file
    monkeypatch.setattr(
        reader, "read_file", lambda place, path, *rest: read.append(path) or read_file(place, path, *rest)
    )
    for _ in range(2):
        sweep.state.refresh()
    assert [Path(path).stem for path in read] == [other.configs["b"].pack.id]


def test_a_diverged_rate_is_not_chosen(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    sweep.pack("a")
    sweep.end("a", {0.1: 0.6})
    sweep.pack("b")
    assert {t.learning_rate for t in sweep.pack("c").trials} == {0.1}


def test_a_pack_whose_worker_died_is_handed_out_again_and_then_in_halves(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    first = sweep.pack("a")
    sizes = []
    for name, following in pairwise("abcdefgh"):
        sweep.die(name)
        pack = sweep.pack(following)
        sizes.append(len(pack.trials))
        assert {t.id for t in pack.trials} <= {t.id for t in first.trials}
    # Twice more as a whole; then its first trial, twice and out; then the other two, twice, and in halves
    assert sizes == [3, 3, 1, 1, 2, 2, 1]
    assert [failure.pack for failure in sweep.search.failures] == [Pack(first.trials[:1])]
    assert [failure.cause for failure in sweep.search.failures] == ["killed"]


def test_a_worker_that_died_after_another_checkpoint_died_for_the_first_time(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    pack = sweep.pack("a")
    for saved in (0.1, 0.2, 0.3, 0.4):
        sweep.report("a", saved=saved, progress=saved)
        sweep.die("a")
        assert sweep.pack("a") == pack


def test_a_machine_that_may_not_train_is_not_held_against_the_pack(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    pack = sweep.pack("0")
    for number in range(9):
        sweep.die(f"{number}", cause="may not train: torch 2.0.0", at_start=True, refused=True)
        assert sweep.pack(f"{number + 1}") == pack


def test_a_worker_that_cannot_start_ends_the_run_if_none_has_started(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    sweep.pack("a")
    sweep.die("a", cause="ModuleNotFoundError: No module named 'x'", at_start=True)
    with pytest.raises(UserError, match="workers cannot start: ModuleNotFoundError: No module named 'x'"):
        sweep.suggest("b")


def test_a_worker_that_cannot_start_where_others_do_is_tried_again_elsewhere(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    sweep.pack("works")
    pack = sweep.pack("0")
    sweep.report("works")
    for number in range(2):
        sweep.die(f"{number}", cause="ImportError", at_start=True)
        assert sweep.pack(f"{number + 1}") == pack
    sweep.report("works")  # the count begins anew
    for number in range(2, 5):
        sweep.die(f"{number}", cause="ImportError", at_start=True)
        if number < 4:
            assert sweep.pack(f"{number + 1}") == pack
    with pytest.raises(UserError, match="workers cannot start: ImportError"):
        sweep.suggest("z")


def test_an_exception_in_training_fails_the_pack_at_once_with_its_traceback(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    pack = sweep.pack("a")
    sweep.end_otherwise("a", "failed", "AttributeError: no attribute (rule.py:3)", "Traceback ...")
    (failure,) = sweep.search.failures
    assert (failure.pack, failure.cause) == (pack, "AttributeError: no attribute (rule.py:3)")
    assert failure.traceback == "Traceback ..."
    assert {trial.method.rule for trial in sweep.pack("b").trials} == {"dfa"}  # the others go on
    assert pack.id not in sweep.leases.active()


def test_a_pack_too_large_for_its_worker_is_split_and_what_cannot_be_fails_alone(
    make_sweep: MakeSweep,
) -> None:
    sweep = make_sweep()
    sweep.pack("a")
    for name, following in pairwise("abcdef"):
        sweep.end_otherwise(name, "too large", "out of memory")
        pack = sweep.pack(following)
    assert {t.method.rule for t in pack.trials} == {"dfa"}  # the others go on
    assert [len(failure.pack.trials) for failure in sweep.search.failures] == [1, 1, 1]
    assert {failure.cause for failure in sweep.search.failures} == {"out of memory"}


def test_a_failed_trial_ends_its_method_and_no_other(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(size=1)
    first = sweep.pack("a")
    sweep.end_otherwise("a", "too large", "out of memory")
    for index in range(7):
        sweep.pack(f"{index}")
        sweep.end(f"{index}")
    assert sweep.suggest("z") == "FINISHED"
    assert sweep.state.count().done == 7
    assert [failure.pack for failure in sweep.search.failures] == [first]


def test_results_that_cannot_be_written_end_the_run(make_sweep: MakeSweep) -> None:
    """With the next pack that is asked for: Tune swallows what is raised when it tells of the end of one."""
    sweep = make_sweep()
    sweep.pack("a")
    sweep.end_otherwise("a", "unwritable", "No space left on device")
    with pytest.raises(UserError, match="No space left"):
        sweep.suggest("b")


def test_leases_that_cannot_be_refreshed_end_the_run(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    sweep.pack("a")
    sweep.pack("b")  # waits for a worker, so that its lease is refreshed here
    leases = Path(sweep.state.store.path("leases"))
    for file in leases.iterdir():
        file.unlink()
    leases.rmdir()
    leases.write_text("a file in the way")
    sweep.clock.now += 60.0
    sweep.report("a")
    with pytest.raises(UserError, match="is a file"):
        sweep.suggest("c")


def test_packs_that_have_a_checkpoint_are_formed_again_as_they_were(
    make_sweep: MakeSweep, make_state: Callable[..., SweepState]
) -> None:
    first, second, third = make_state().ready()[:3]
    assert first.method == third.method
    ends, middle = (
        Pack((first, third)),
        Pack((second,)),
    )  # no cut in order has the first and the last together
    save_checkpoint(make_state().store, ends)
    sweep = make_sweep(size=2)
    assert sweep.pack("a") == ends
    assert sweep.pack("b") == middle


def test_a_checkpoint_of_trials_that_no_pack_has_together_forms_none(
    make_sweep: MakeSweep, make_state: Callable[..., SweepState]
) -> None:
    trials = make_state().ready()
    mixed = Pack((trials[0], trials[-1]))
    assert mixed.trials[0].method != mixed.trials[1].method
    save_checkpoint(make_state().store, mixed)
    sweep = make_sweep(size=1)
    packs = [sweep.pack(str(number)) for number in range(len(trials))]
    assert sorted(pack.trials[0].id for pack in packs) == sorted(trial.id for trial in trials)


def save_checkpoint(store: Store, pack: Pack) -> None:
    Checkpoints(store).save(pack, {}, Checkpoint(state={}, rows=[], started=0.0))


def test_what_is_done_already_is_not_handed_out(make_sweep: MakeSweep) -> None:
    first = make_sweep()
    first.pack("a")
    first.end("a")
    again = SweepState(first.state.plan, first.state.store, first.state.store.read())
    assert again.count().done == 3
    assert {t.method.rule for t in again.ready() if t.stage == "tune"} == {"dfa"}


def test_a_pack_that_another_run_holds_is_waited_for_and_not_trained_twice(make_sweep: MakeSweep) -> None:
    mine, theirs = make_sweep(), make_sweep()
    held = theirs.pack("x")
    handed = mine.pack("a")
    assert {t.id for t in handed.trials}.isdisjoint(t.id for t in held.trials)
    assert mine.suggest("b") is None
    theirs.end("x")
    mine.clock.now += 10.0
    repeats = mine.pack("c")  # what the other run found is taken up
    assert {t.stage for t in repeats.trials} == {"repeat"}


def test_a_pack_that_another_run_took_from_a_worker_is_waited_for(make_sweep: MakeSweep) -> None:
    mine = make_sweep(slots=ONE)
    pack = mine.pack("a")
    mine.end_otherwise("a", "taken")
    assert Leases(mine.state.store).active().keys() == {pack.id}  # as if another run had it
    following = mine.pack("b")
    assert {t.id for t in following.trials}.isdisjoint(t.id for t in pack.trials)

"""Drawn and halved tunings as the searcher hands them out, killed at any moment; real files, no worker."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.checkpoints import Checkpoint, Checkpoints
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.planning.trial import Trial
from dfa_tune.results.leases import Leases

MakeSweep = Callable[..., Any]
SPACE = """
name: tiny
problem: {kind: parity, dataset: digits, k: 1, train_samples: 64, test_samples: 10}
network: {hidden: 4}
training: {epochs: 9, batch_size: 64}
methods: [{rule: [bp, dfa], optimizer: sgd}]
learning_rates: {sgd: {low: 0.001, high: 1.0, points: 8}}
tuning: TUNING
repetitions: 2
"""
STOP = "stop: {after: [2, 4], keep: 0.5}"
TUNINGS = {
    "random": "{sampler: random, trials: 5, with: {network.feedback_scale: {low: 0.5, high: 2}}}",
    "tpe": "{sampler: tpe, trials: 6, with: {training.weight_decay: [0, 0.01]}}",
    "halved grid": f"{{{STOP}, refine: 2}}",
    "halved random": f"{{sampler: random, trials: 7, seeds: 2, {STOP}}}",
    "halved tpe": f"{{sampler: tpe, trials: 6, {STOP}}}",
}


def space(tuning: str) -> str:
    return SPACE.replace("TUNING", tuning)


def accuracy(trial: Trial) -> float:
    """Best at the rate 0.05; no two trials have the same."""
    return (
        0.9
        - abs(math.log10(trial.learning_rate / 0.05)) / 10
        - trial.training.weight_decay
        - trial.seed % 7 / 1e3
    )


def run(make_sweep: MakeSweep, text: str, *, killed: bool) -> list[str]:
    """Run the space to its end, the last pack first; after each of them as a new run if it is `killed`.

    The ids of the trials as they were trained, at each rung anew.
    """
    trained: list[str] = []
    sweep = make_sweep(text, size=5)
    for turn in range(200):
        sweep.hand_out(f"{turn}-")
        if not sweep.search.running:
            assert sweep.suggest("last") == "FINISHED"
            return trained
        name = list(sweep.search.running)[-1]
        if not killed:
            trained += sweep.end(name, accuracy)
            continue
        trained += sweep.publish(name, accuracy)
        for other in sweep.search.running.values():
            sweep.leases.release(other.pack.id)
        sweep = make_sweep(text, size=5)
        known(sweep)
    raise AssertionError("no end")


def known(sweep: Any) -> SweepState:
    """The state of a run that begins, with what the files hold."""
    state: SweepState = sweep.state
    state.refresh()
    state.publish_stopped()
    return state


@pytest.mark.parametrize("name", TUNINGS)
def test_a_run_that_is_killed_after_every_pack_ends_with_the_same_trials(
    make_sweep: MakeSweep, tmp_path: Path, name: str
) -> None:
    text = space(TUNINGS[name]).replace("[bp, dfa]", "dfa")
    whole = run(make_sweep, text, killed=False)
    first = known(make_sweep(text))
    expected, chosen = first.store.read(), [cell.choice(first.scores) for cell in first.plan.cells]
    (tmp_path / "results").rename(tmp_path / "moved")
    again = run(make_sweep, text, killed=True)
    second = known(make_sweep(text))
    assert sorted(again) == sorted(whole)
    pd.testing.assert_frame_equal(second.store.read(), expected)
    assert [cell.choice(second.scores) for cell in second.plan.cells] == chosen
    assert (second.count().remaining, second.ready()) == (0, [])


def test_a_stopped_trial_has_rows_that_say_so_and_is_trained_no_more(make_sweep: MakeSweep) -> None:
    text = space(TUNINGS["halved random"])
    run(make_sweep, text, killed=False)
    sweep = make_sweep(text)
    found = known(sweep).store.read()
    last = found.groupby("trial_id")["epoch"].max()
    stopped = found.groupby("trial_id")["stopped"].any()
    # Of 7 settings 4 go on after epoch 2, and 2 after epoch 4; two seeds, two methods
    assert last[stopped].value_counts().to_dict() == {2: 12, 4: 8}
    assert set(last[~stopped]) == {9}
    assert (~stopped).sum() == 2 * (2 * 2 + 2)
    assert sweep.suggest("a") == "FINISHED"
    assert sweep.state.store.whole() == sweep.state._due.keys()


def test_no_stopped_trial_is_repeated_and_readers_need_only_the_published_files(
    make_sweep: MakeSweep,
) -> None:
    text = space(f"{{{STOP}}}")
    run(make_sweep, text, killed=False)
    state = known(make_sweep(text))
    state.clear_rungs()
    assert state.store.folder("rungs").files() == []
    results = SweepResults(state.plan, state.store.read())
    for cell in results.plan.cells:
        choice = cell.choice(results.scores)
        assert choice is not None
        assert not choice.trials & state.stopped.keys()


def test_what_waits_at_a_rung_keeps_no_core_from_the_other_methods(make_sweep: MakeSweep) -> None:
    """BP's rung waits for one pack; DFA's tuning is handed out meanwhile."""
    sweep = make_sweep(space(f"{{{STOP}}}"), size=4)
    first = sweep.hand_out()
    assert len(first) == 4  # two packs of each method
    sweep.end(first[0], accuracy)
    sweep.end(first[2], accuracy)
    sweep.end(first[3], accuracy)
    dfa = sweep.pack("dfa")
    assert {trial.method.rule for trial in dfa.trials} == {"dfa"}
    assert (dfa.until, len(dfa.trials)) == (4, 4)
    assert sweep.suggest("bp") is None
    sweep.end(first[1], accuracy)
    assert {trial.method.rule for trial in sweep.pack("bp").trials} == {"bp"}


def test_the_members_that_go_on_are_named_the_pack_that_they_come_from(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(space(f"{{{STOP}}}"), size=8)
    before = sweep.pack("a")
    Checkpoints(sweep.state.store).save(before, {}, Checkpoint({}, [], 0.0))
    sweep.end("a", accuracy)
    sweep.pack("dfa")
    after = sweep.pack("b")
    assert (after.left, after.until, len(after.trials)) == (before.id, 4, 4)
    assert Pack.from_json(after.to_json()).left == before.id


def test_a_stopped_trial_is_not_taken_over_and_another_stop_trains_it(make_sweep: MakeSweep) -> None:
    run(make_sweep, space(f"{{{STOP}}}"), killed=False)
    other = known(make_sweep(space(f"{{{STOP}}}").replace("name: tiny", "name: other")))
    assert other.take_over() == 2 * 2  # those of 8 settings that were trained to the end, for two methods
    assert not other.store.read()["stopped"].any()
    alone = known(make_sweep(space("{}")))  # in the folder with the stopped trials
    assert len(alone.ready()) == 2 * (8 - 2)
    run(make_sweep, space("{}"), killed=False)
    assert not alone.store.read()["stopped"].any()  # the complete copies count


def test_a_damaged_file_of_a_rung_is_written_anew(make_sweep: MakeSweep) -> None:
    text = space(f"{{{STOP}}}")
    first = make_sweep(text, size=8)
    first.pack("a")
    first.publish("a", accuracy)
    folder = first.state.store.folder("rungs")
    (name,) = folder.files()
    folder.put(name, folder.read(name)[:-50])
    again = make_sweep(text, size=8)
    known(again)
    assert again.pack("a").id == first.configs["a"].pack.id
    again.end("a", accuracy)
    again.pack("dfa")
    assert again.pack("b").until == 4  # the rung is decided


def test_two_runs_at_once_halve_as_one(make_sweep: MakeSweep) -> None:
    runs = [make_sweep(space(f"{{{STOP}}}"), size=3), make_sweep(space(f"{{{STOP}}}"), size=2)]
    trained: list[tuple[str, int | None]] = []
    answers: dict[int, Any] = {}
    for turn in range(200):
        for index, one in enumerate(runs):
            if one.search.running and (index == 0 or turn % 3 == 0):
                name = next(iter(one.search.running))
                trained += [(trial.id, trial.until) for trial in one.configs[name].pack.trials]
                one.end(name, accuracy)
            if not one.search.running:
                one.clock.now += 10.0
                answers[index] = one.suggest(f"{index}-{turn}")
        if list(answers.values()) == ["FINISHED", "FINISHED"]:
            break
    assert len(trained) == len(set(trained))
    assert [one.state.count().remaining for one in runs] == [0, 0]
    assert Leases(runs[0].state.store).active() == {}

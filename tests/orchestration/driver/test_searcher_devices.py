"""GPUs and cores in one sweep, driven by hand: who gets what, and who gives it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dfa_tune.orchestration.driver.balance import RECALL, Balance
from dfa_tune.orchestration.driver.queues import PackQueues
from dfa_tune.orchestration.driver.searcher import TuneThenRepeat
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.packs.placement import Slots
from dfa_tune.orchestration.worker.checkpoints import Checkpoint, Checkpoints
from dfa_tune.orchestration.worker.trainable import REFUSED, PackTrainable
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.trial import Trial
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store

SPACE = """
name: tiny
title: tiny
problem: {kind: parity, dataset: digits, k: 1, train_samples: 64, test_samples: 10}
network: {hidden: 4}
training: {epochs: 2, batch_size: 64}
methods: [{rule: bp, optimizer: sgd}]
learning_rates: {sgd: {low: 0.001, high: 1.0, points: 192}}
repetitions: 2
"""
GPU = Slots(request={"CPU": 1.0, "GPU": 1.0}, count=1, memory=1e9)
CORES = Slots(request={"CPU": 1.0}, count=4, memory=32e9, avoid=("with-gpu",))


@pytest.fixture
def state(tmp_path: Path) -> SweepState:
    (tmp_path / "tiny.yaml").write_text(SPACE)
    sweep = load_sweep(tmp_path / "tiny.yaml")
    return SweepState(Plan(sweep, "0" * 16), Store(tmp_path / "results", "tiny"), pd.DataFrame())


def cut(trials: list[Trial], gpu: bool) -> list[Pack]:
    """Packs of 12 for a GPU, of 3 for a core."""
    size = 12 if gpu else 3
    return [Pack(tuple(trials[n : n + size])) for n in range(0, len(trials), size)]


def searcher(state: SweepState, *slots: Slots) -> TuneThenRepeat:
    return TuneThenRepeat(state, Leases(state.store), {}, size="auto", slots=slots)


def hand_out(search: TuneThenRepeat) -> dict[str, dict[str, Any]]:
    """Everything that it suggests until others must end first, by name."""
    found: dict[str, dict[str, Any]] = {}
    while isinstance(config := search.suggest(trial_id=f"t{len(found)}"), dict):
        found[f"t{len(found)}"] = config
    return found


def report(seconds: float, progress: float) -> dict[str, Any]:
    return {"saved": 0.0, "progress": progress, "pack_seconds": seconds}


def test_both_kinds_are_kept_busy_and_a_few_packs_wait_for_each(state: SweepState) -> None:
    configs = hand_out(searcher(state, GPU, CORES)).values()
    on_gpu = [config for config in configs if "GPU" in config["request"]]
    on_cores = [config for config in configs if "GPU" not in config["request"]]
    assert (len(on_gpu), len(on_cores)) == (2, 6)
    assert {tuple(config["avoid"]) for config in on_gpu} == {()}
    assert {tuple(config["avoid"]) for config in on_cores} == {("with-gpu",)}
    sizes = [{len(Pack.from_json(c["pack"]).trials) for c in each} for each in (on_gpu, on_cores)]
    assert min(sizes[0]) > max(sizes[1])  # large ones for the GPU
    ids = [trial.id for c in configs for trial in Pack.from_json(c["pack"]).trials]
    assert len(ids) == len(set(ids))


def test_what_a_pack_reserves_is_told_to_tune_and_equal_for_packs_of_a_kind(state: SweepState) -> None:
    configs = hand_out(searcher(state, GPU, CORES)).values()
    requests = [PackTrainable.default_resource_request(config) for config in configs]
    assert len(set(requests)) == 2
    assert {frozenset(request.required_resources.items()) for request in requests} == {
        frozenset({"CPU": 1.0, "GPU": 1.0}.items()),
        frozenset({"CPU": 1.0}.items()),
    }


def test_a_machine_without_a_gpu_that_joins_gets_work(state: SweepState) -> None:
    search = searcher(state, GPU, Slots(request={"CPU": 1.0}, count=0, memory=1e9))
    assert len(hand_out(search)) == 2
    search.slots = [GPU, CORES]
    assert isinstance(search.suggest(trial_id="x"), dict)


def test_an_empty_queue_takes_the_later_half_of_the_other(state: SweepState) -> None:
    waiting, trials = PackQueues(cut), state.ready()[:96]
    waiting.add(trials, gpu=True)
    waiting.take_half(gpu=False)
    assert [len(p.trials) for p in waiting.free(True)] == [12] * 4
    assert [len(p.trials) for p in waiting.free(False)] == [3] * 16
    order = [t.id for gpu in (True, False) for pack in waiting.free(gpu) for t in pack.trials]
    assert order == [trial.id for trial in trials]


def test_what_is_bound_comes_first_and_is_not_taken(state: SweepState) -> None:
    waiting, trials = PackQueues(cut), state.ready()
    waiting.add(trials[5:], gpu=True)
    waiting.bind([Pack(tuple(trials[:2])), Pack(tuple(trials[2:5]))], gpu=True)
    for _ in range(9):
        waiting.take_half(gpu=False)
    assert [len(p.trials) for p in (waiting.next(True), waiting.next(True)) if p] == [2, 3]
    assert waiting.next(True) is None


def test_a_core_begins_nothing_that_the_gpus_will_have_done_by_then(state: SweepState) -> None:
    pace, packs = Balance(), cut(state.ready()[:96], True)
    assert pace.worth_a_core(packs, 1)  # nothing is known yet
    pace.note("a", packs[0], True, seconds=10.0, progress=0.5)
    single = Pack(packs[0].trials[:1])
    pace.note("b", single, False, seconds=79.0, progress=0.1)
    assert pace.worth_a_core(packs, 1)  # eight packs, ten seconds each
    assert not pace.worth_a_core(packs, 2)
    pace.note("b", single, False, seconds=81.0, progress=0.2)
    assert not pace.worth_a_core(packs, 1)


def test_how_long_a_pack_takes_grows_with_its_trials_on_a_core_and_not_on_a_gpu(state: SweepState) -> None:
    pace, packs = Balance(), cut(state.ready(), False)
    pace.note("b", packs[0], False, seconds=30.0, progress=0.9)
    assert pace.left("b", packs[0]) == pytest.approx(3.0)
    assert pace.left("not begun", Pack(packs[1].trials[:2])) == pytest.approx(20.0)
    pace.note("a", packs[2], True, seconds=5.0, progress=0.0)
    assert pace.faster_on_a_gpu("c", packs[1], rounds=30 / 5 / RECALL - 0.1)
    assert not pace.faster_on_a_gpu("c", packs[1], rounds=30 / 5 / RECALL + 0.1)


def test_a_gpu_that_is_free_gets_the_packs_that_would_take_cores_far_longer(state: SweepState) -> None:
    search = searcher(state, GPU, Slots(request={"CPU": 1.0}, count=1, memory=32e9))
    configs = hand_out(search)
    names = {gpu: [n for n, c in configs.items() if ("GPU" in c["request"]) == gpu] for gpu in (True, False)}
    slow = names[False][0]
    search.on_trial_result(slow, report(1000.0, 0.1))
    done = 0
    while names[True]:  # the GPU does all that waits
        name = names[True].pop(0)
        publish(state, Pack.from_json(configs[name]["pack"]))
        search.on_trial_complete(trial_id=name, result=report(1.0, 1.0))
        assert not search.gives_up(slow)
        while isinstance(config := search.suggest(trial_id=f"x{done}"), dict):
            assert "GPU" in config["request"]  # a core is not worth it any more
            configs[f"x{done}"] = config
            names[True].append(f"x{done}")
            done += 1
    assert all(search.gives_up(name) for name in names[False])
    recalled = Pack.from_json(configs[slow]["pack"])
    search.on_trial_complete(trial_id=slow, result=report(1000.0, 0.2) | {"done": True})
    config = search.suggest(trial_id="y")
    assert isinstance(config, dict)
    assert "GPU" in config["request"]
    assert Pack.from_json(config["pack"]).trials == recalled.trials


def publish(state: SweepState, pack: Pack) -> None:
    rows = [
        {**t.columns(), "device": "cpu", "epoch": e, "test_accuracy": 0.5, "diverged": False, "seconds": 0.0}
        for t in pack.trials
        for e in (1, 2)
    ]
    state.store.publish(pack.id, rows, {})


def test_a_pack_that_a_core_ended_after_all_is_done(state: SweepState) -> None:
    search = searcher(state, GPU, CORES)
    configs = hand_out(search)
    name = next(name for name, config in configs.items() if "GPU" not in config["request"])
    search._recalled.add(name)
    publish(state, pack := Pack.from_json(configs[name]["pack"]))
    search.on_trial_complete(trial_id=name, result=report(1.0, 1.0))
    assert {trial.id for trial in pack.trials} <= state.scores.keys()


@pytest.mark.parametrize(("device", "gpu"), [("cpu", False), ("cuda", True)])
def test_a_pack_goes_on_where_its_checkpoint_came_from(state: SweepState, device: str, gpu: bool) -> None:
    pack = Pack(tuple(state.ready()[-2:]))
    Checkpoints(state.store).save(pack, {"device": device}, Checkpoint(state={}, rows=[], started=0.0))
    configs = hand_out(searcher(state, GPU, CORES)).values()
    (found,) = [config for config in configs if Pack.from_json(config["pack"]) == pack]
    assert ("GPU" in found["request"]) == gpu


def test_a_large_pack_begun_on_a_gpu_is_not_formed_again_where_there_is_none(state: SweepState) -> None:
    pack = Pack(tuple(state.ready()[:64]))
    Checkpoints(state.store).save(pack, {"device": "cuda"}, Checkpoint(state={}, rows=[], started=0.0))
    configs = hand_out(searcher(state, CORES)).values()
    assert max(len(Pack.from_json(config["pack"]).trials) for config in configs) < 64


def test_a_machine_that_may_not_train_is_not_held_against_the_pack(state: SweepState) -> None:
    search = searcher(state, CORES)
    config = search.suggest(trial_id="t0")
    assert isinstance(config, dict)
    for number in range(9):
        search.said[f"t{number}"] = f"RuntimeError: odd {REFUSED}: torch 2.0.0 instead of 2.6.0"
        search.on_trial_complete(trial_id=f"t{number}", error=True)
        again = search.suggest(trial_id=f"t{number + 1}")
        assert isinstance(again, dict)
        assert again["pack"] == config["pack"]

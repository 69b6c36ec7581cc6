"""GPUs and cores in one sweep, driven by hand: who gets what, and who gives it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dfa_tune.orchestration.driver.dispatcher import RECALL, Dispatcher
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.packs.placement import Slots
from dfa_tune.orchestration.worker.checkpoints import Checkpoint, Checkpoints
from dfa_tune.orchestration.worker.trainable import PackTrainable
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.trial import Trial

MakeSweep = Callable[..., Any]
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
CORE = Slots(request={"CPU": 1.0}, count=1, memory=32e9)


@pytest.fixture
def trials(make_state: Callable[..., SweepState]) -> list[Trial]:
    found: list[Trial] = make_state(SPACE).ready()
    assert len(found) == 192
    return found


def on_gpu(sweep: Any, name: str) -> bool:
    return "GPU" in sweep.configs[name].request


def test_both_kinds_are_kept_busy_and_a_few_packs_wait_for_each(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(SPACE, size="auto", slots=[GPU, CORES])
    names = sweep.hand_out()
    gpu = [sweep.configs[name] for name in names if on_gpu(sweep, name)]
    cores = [sweep.configs[name] for name in names if not on_gpu(sweep, name)]
    assert (len(gpu), len(cores)) == (2, 6)
    assert {config.avoid for config in gpu} == {()}
    assert {config.avoid for config in cores} == {("with-gpu",)}
    sizes = [{len(config.pack.trials) for config in each} for each in (gpu, cores)]
    assert min(sizes[0]) > max(sizes[1])  # large ones for the GPU
    ids = [trial.id for config in (*gpu, *cores) for trial in config.pack.trials]
    assert len(ids) == len(set(ids))


def test_what_a_pack_reserves_is_told_to_tune_and_equal_for_packs_of_a_kind(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(SPACE, size="auto", slots=[GPU, CORES])
    configs = [sweep.configs[name].to_json() for name in sweep.hand_out()]
    requests = [PackTrainable.default_resource_request(config) for config in configs]
    assert len(set(requests)) == 2
    assert {frozenset(request.required_resources.items()) for request in requests} == {
        frozenset({"CPU": 1.0, "GPU": 1.0}.items()),
        frozenset({"CPU": 1.0}.items()),
    }


def test_a_machine_without_a_gpu_that_joins_gets_work(make_sweep: MakeSweep) -> None:
    none_yet = Slots(request={"CPU": 1.0}, count=0, memory=1e9)
    sweep = make_sweep(SPACE, size="auto", slots=[GPU, none_yet])
    assert len(sweep.hand_out()) == 2
    sweep.search.place_on([GPU, CORES])
    assert isinstance(sweep.suggest("x"), Pack)


def test_gpus_take_from_the_front_and_cores_from_the_back(trials: list[Trial]) -> None:
    dispatcher = Dispatcher(12, [GPU, CORES])
    dispatcher.add(trials[:96])
    first, last = dispatcher.next(GPU), dispatcher.next(CORES)
    assert first is not None
    assert last is not None
    assert first.trials == tuple(trials[:12])
    assert last.trials == tuple(trials[84:96])
    rest = [dispatcher.next(GPU) for _ in range(6)]
    assert [trial for pack in rest if pack for trial in pack.trials] == trials[12:84]
    assert not dispatcher


def test_packs_that_stay_as_they_are_come_first_and_only_on_their_own_kind(trials: list[Trial]) -> None:
    dispatcher = Dispatcher(100, [GPU, CORES])
    dispatcher.add(trials[5:])
    dispatcher.add_packs([Pack(tuple(trials[:2])), Pack(tuple(trials[2:5]))], gpu=True)
    assert len(packs(dispatcher, CORES)) == 2  # all 187 trials
    assert [len(pack.trials) for pack in packs(dispatcher, GPU)] == [2, 3]


def packs(dispatcher: Dispatcher, slots: Slots) -> list[Pack]:
    """All that it gives to these slots."""
    found = []
    while (pack := dispatcher.next(slots)) is not None:
        found.append(pack)
    return found


def test_packs_of_a_kind_of_device_that_has_gone_are_trained_on_what_is_left(trials: list[Trial]) -> None:
    dispatcher = Dispatcher(100, [GPU, CORES])
    dispatcher.add_packs([pack := Pack(tuple(trials[:2]))], gpu=True)
    assert dispatcher.next(CORES) is None
    dispatcher.slots = (CORES,)
    assert dispatcher.next(CORES) == pack


@pytest.mark.parametrize(
    ("gpus", "seconds", "begins"),
    [(1, 79.0, True), (1, 81.0, False), (2, 79.0, False), (2, 39.0, True)],
)
def test_a_core_begins_nothing_that_the_gpus_will_have_done_by_then(
    trials: list[Trial], gpus: int, seconds: float, begins: bool
) -> None:
    """Eight packs, ten seconds each on a GPU, against `seconds` of a core for a single trial."""
    slots = [Slots(request=GPU.request, count=gpus, memory=1e9), CORES]
    dispatcher = Dispatcher(12, slots)
    dispatcher.add(trials[:96])
    dispatcher.reported("a", Pack(tuple(trials[96:108])), True, seconds=10.0, progress=0.5)
    dispatcher.reported("b", Pack(tuple(trials[108:109])), False, seconds=seconds, progress=0.1)
    assert (dispatcher.next(CORES) is not None) == begins
    assert dispatcher.next(GPU) is not None


def test_while_only_one_kind_has_reported_cores_take_packs(trials: list[Trial]) -> None:
    dispatcher = Dispatcher(12, [GPU, CORES])
    dispatcher.add(trials)
    dispatcher.reported("a", Pack(tuple(trials[:12])), True, seconds=0.001, progress=0.5)
    assert dispatcher.next(CORES) is not None


def test_how_long_a_pack_takes_on_a_core_grows_with_its_trials(trials: list[Trial]) -> None:
    dispatcher = Dispatcher(3, [GPU, CORES])
    three, two = Pack(tuple(trials[:3])), Pack(tuple(trials[3:5]))
    assert dispatcher.seconds_left("a", three) == 0.0  # nothing is known
    dispatcher.reported("a", three, False, seconds=30.0, progress=0.9)
    assert dispatcher.seconds_left("a", three) == pytest.approx(3.0)
    assert dispatcher.seconds_left("not begun", two) == pytest.approx(20.0)


@pytest.mark.parametrize(("seconds", "recalled"), [(2.1, ["a"]), (1.9, [])])
def test_cores_give_up_packs_that_a_gpu_would_end_far_sooner(
    trials: list[Trial], seconds: float, recalled: list[str]
) -> None:
    """On a GPU a pack takes as long as a single trial: 5 s here."""
    dispatcher = Dispatcher(3, [GPU, CORES])
    three, other = Pack(tuple(trials[:3])), Pack(tuple(trials[3:6]))
    dispatcher.reported("b", other, True, seconds=5.0, progress=0.0)
    dispatcher.reported("a", three, False, seconds=5.0 * seconds, progress=0.0)
    assert RECALL == 2.0
    assert dispatcher.recalled({"a": three}) == recalled


def test_as_many_packs_are_recalled_as_the_gpus_end_sooner_one_after_another(trials: list[Trial]) -> None:
    dispatcher = Dispatcher(3, [GPU, CORES])
    on_cores = {name: Pack(tuple(trials[3 * n : 3 * n + 3])) for n, name in enumerate("abcd")}
    dispatcher.reported("gpu", Pack(tuple(trials[50:53])), True, seconds=1.0, progress=0.0)
    for name, pack in on_cores.items():
        dispatcher.reported(name, pack, False, seconds=5.0, progress=0.0)
    assert dispatcher.recalled(on_cores) == ["a", "b"]  # the third would end there after 3 s, more than 5/2


def test_a_gpu_that_is_free_gets_the_packs_that_would_take_cores_far_longer(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(SPACE, size="auto", slots=[GPU, CORE])
    names = sweep.hand_out()
    at_gpu = [name for name in names if on_gpu(sweep, name)]
    slow, *others = [name for name in names if not on_gpu(sweep, name)]
    sweep.report(slow, seconds=1000.0, progress=0.1)
    while at_gpu:  # the GPU does all that waits
        name = at_gpu.pop(0)
        sweep.end(
            name, dict.fromkeys((t.learning_rate for t in sweep.configs[name].pack.trials), 0.5), seconds=1.0
        )
        assert not sweep.search.gives_up(slow)
        more = sweep.hand_out(prefix=f"after-{name}-")
        assert all(on_gpu(sweep, new) for new in more)  # a core is not worth it any more
        at_gpu += more
    assert all(sweep.search.gives_up(name) for name in (slow, *others))
    recalled = sweep.configs[slow].pack
    sweep.search.on_trial_complete(slow, sweep_report(1000.0, 0.2))
    assert sweep.pack("y") == recalled
    assert on_gpu(sweep, "y")


def sweep_report(seconds: float, progress: float) -> dict[str, Any]:
    return {"saved": 0.0, "progress": progress, "pack_seconds": seconds, "done": True}


def test_a_pack_that_a_core_ended_after_all_is_done(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(SPACE, size="auto", slots=[GPU, CORES])
    name = next(name for name in sweep.hand_out() if not on_gpu(sweep, name))
    sweep.search.running[name].recalled = True
    ids = sweep.end(name, seconds=1.0)
    assert set(ids) <= sweep.state.scores.keys()


@pytest.mark.parametrize(("device", "gpu"), [("cpu", False), ("cuda", True)])
def test_a_pack_goes_on_where_its_checkpoint_came_from(
    make_sweep: MakeSweep, trials: list[Trial], device: str, gpu: bool
) -> None:
    sweep = make_sweep(SPACE, size="auto", slots=[GPU, CORES])
    pack = Pack(tuple(trials[-2:]))
    Checkpoints(sweep.state.store).save(pack, {"device": device}, Checkpoint(state={}, rows=[], started=0.0))
    (name,) = [name for name in sweep.hand_out() if sweep.configs[name].pack == pack]
    assert on_gpu(sweep, name) == gpu


def test_a_large_pack_begun_on_a_gpu_is_not_formed_again_where_there_is_none(
    make_sweep: MakeSweep, trials: list[Trial]
) -> None:
    sweep = make_sweep(SPACE, size="auto", slots=[CORES])
    pack = Pack(tuple(trials[:64]))
    Checkpoints(sweep.state.store).save(pack, {"device": "cuda"}, Checkpoint(state={}, rows=[], started=0.0))
    assert max(len(sweep.configs[name].pack.trials) for name in sweep.hand_out()) < 64

"""Packs on a GPU grow while that pays: the rule, on GPUs whose speed is a formula."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dfa_tune.orchestration.driver.searcher import TuneThenRepeat
from dfa_tune.orchestration.packs.gpu_pack_size import FIRST, MOST, GpuPackSize
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.packs.placement import Slots
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store

SPACE = """
name: tiny
title: tiny
problem: {kind: parity, dataset: digits, k: 1, train_samples: 64, test_samples: 10}
network: {hidden: 4}
training: {epochs: 1, batch_size: 64}
methods: [{rule: bp, optimizer: sgd}]
learning_rates: {sgd: {low: 0.001, high: 1.0, points: 700}}
"""


def sizes(seconds: Callable[[int], float], packs: int, room: int = MOST, trials: int = 10**6) -> list[int]:
    """Packs, one after another, on a GPU that takes seconds(P) for one of P and holds `room` trials."""
    known, tried = GpuPackSize(), []
    for _ in range(packs):
        size = min(known.wanted("a"), trials)
        tried.append(size)
        if size > room:
            known.too_large("a", size)
        else:
            known.ended("a", size, seconds(size))
    return tried


def test_packs_double_while_a_gpu_has_nothing_to_do() -> None:
    assert sizes(lambda size: 10.0, 6) == [64, 128, 256, 512, 1024, 1024]


def test_packs_stop_growing_where_the_gpu_is_full() -> None:
    # A second for what 200 trials fill; 256 trials train 200 a second, and so do 512
    assert sizes(lambda size: max(1.0, size / 200), 6) == [64, 128, 256, 512, 256, 256]


def test_a_size_that_trains_less_is_left() -> None:
    assert sizes(lambda size: size if size <= 64 else 2.0 * size, 4) == [64, 128, 64, 64]


@pytest.mark.parametrize(("gain", "following"), [(1.09, 128), (1.11, 256)])
def test_a_tenth_more_trials_an_hour_is_what_makes_packs_grow(gain: float, following: int) -> None:
    each = {64: 1.0, 128: 1 / gain}
    assert sizes(lambda size: size * each.get(size, 1.0), 3)[2] == following


def test_what_does_not_fit_is_halved_and_not_tried_again() -> None:
    assert sizes(lambda size: 10.0, 6, room=100) == [64, 128, 64, 64, 64, 64]
    assert sizes(lambda size: 10.0, 9, room=5) == [64, 32, 16, 8, 4, 4, 4, 4, 4]
    assert sizes(lambda size: 10.0, 8, room=0)[-1] == 1


def test_packs_that_are_smaller_because_trials_are_few_tell_little() -> None:
    assert sizes(lambda size: 10.0, 3, trials=20) == [20, 20, 20]
    known = GpuPackSize()
    known.ended("a", 20, 10.0)
    known.ended("a", 21, 20.0)  # as good as the same size
    assert known.wanted("a") == FIRST


def test_kinds_do_not_tell_of_one_another() -> None:
    known = GpuPackSize()
    known.ended("a", 64, 1.0)
    known.too_large("b", 64)
    assert (known.wanted("a"), known.wanted("b"), known.wanted("c")) == (128, 32, 64)


@pytest.fixture
def state(tmp_path: Path) -> SweepState:
    (tmp_path / "tiny.yaml").write_text(SPACE)
    sweep = load_sweep(tmp_path / "tiny.yaml")
    return SweepState(Plan(sweep, "0" * 16), Store(tmp_path / "results", "tiny"), pd.DataFrame())


def searcher(state: SweepState, size: Any = "auto") -> TuneThenRepeat:
    slots = [Slots(request={"CPU": 1.0, "GPU": 1.0}, count=1, memory=1e12)]
    return TuneThenRepeat(state, Leases(state.store), {}, size=size, slots=slots)


def next_size(search: TuneThenRepeat, name: str) -> int:
    config = search.suggest(trial_id=name)
    assert isinstance(config, dict)
    return len(Pack.from_json(config["pack"]).trials)


def end(search: TuneThenRepeat, state: SweepState, name: str, seconds: float) -> None:
    """The pack of that name is published after `seconds`."""
    pack = search.running[name]
    columns = {"device": "cuda", "epoch": 1, "test_accuracy": 0.5, "diverged": False, "seconds": 0.0}
    state.store.publish(pack.id, [{**trial.columns(), **columns} for trial in pack.trials], {})
    search.on_trial_complete(name, {"saved": 0.0, "progress": 1.0, "pack_seconds": seconds})


def test_packs_that_wait_are_cut_anew_when_larger_ones_pay(state: SweepState) -> None:
    search = searcher(state)
    first, second = next_size(search, "a"), next_size(search, "b")
    assert FIRST - 1 <= first <= second <= FIRST  # 700 in 11 even parts; one trains and one waits
    end(search, state, "a", 10.0)
    third = next_size(search, "c")
    assert 1.5 * second < third <= 2 * FIRST  # those left in even parts of no more than twice as many
    end(search, state, "b", 10.0)
    assert next_size(search, "d") == third
    end(search, state, "c", 10.0 * third / first)  # no more trials an hour than before
    assert next_size(search, "e") <= FIRST


def test_after_a_pack_too_large_those_that_wait_are_as_small_as_its_halves(state: SweepState) -> None:
    search = searcher(state)
    first = next_size(search, "a")
    too_large = {
        "saved": 0.0,
        "progress": 0.0,
        "pack_seconds": 0.0,
        "outcome": "too large",
        "cause": "memory",
    }
    search.on_trial_complete("a", too_large)
    assert [next_size(search, name) for name in "bc"] == [first // 2, first - first // 2]  # its own halves
    end(search, state, "b", 1.0)
    assert next_size(search, "d") <= first // 2


def test_a_size_that_was_asked_for_stays(state: SweepState) -> None:
    search = searcher(state, size=50)
    assert next_size(search, "a") == 50
    end(search, state, "a", 10.0)
    assert next_size(search, "b") == 50

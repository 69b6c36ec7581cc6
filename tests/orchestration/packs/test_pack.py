"""Packs: what may be trained together, and how many are cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dfa_tune.orchestration.packs.gpu_pack_size import FIRST, GpuPackSize
from dfa_tune.orchestration.packs.memory import (
    WORKER_BYTES,
    largest_pack,
    member_bytes,
    pack_bytes,
    seed_bytes,
)
from dfa_tune.orchestration.packs.pack import Pack, pack_kind
from dfa_tune.orchestration.packs.pack_size import (
    CACHED_BYTES,
    CPU_PACK,
    MEMORY_SHARE,
    PackSize,
    SizeLimits,
    make_packs,
)
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.trial import Trial


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    """The quickstart's tune trials: 5 of each of four methods."""
    return Plan(load_sweep("quickstart"), "0" * 16).due({})


def packs(trials: list[Trial], size: PackSize, slots: int, **given: Any) -> list[Pack]:
    return make_packs(trials, SizeLimits(size=size, slots=slots, **given))


def test_packs_hold_every_trial_once(trials: list[Trial]) -> None:
    found = packs(trials, "auto", slots=2)
    assert sorted(t.id for p in found for t in p.trials) == sorted(t.id for t in trials)


def test_a_pack_differs_in_learning_rate_seed_and_feedback_alone(trials: list[Trial]) -> None:
    for pack in packs(trials, 100, slots=2):
        assert (
            len({(t.method.rule, t.method.optimizer, t.problem, t.network, t.training) for t in pack.trials})
            == 1
        )


@pytest.mark.parametrize(("size", "lengths"), [(4, [2, 3]), (5, [5]), (1, [1] * 5), (2, [1, 2, 2])])
def test_a_group_is_cut_evenly(trials: list[Trial], size: int, lengths: list[int]) -> None:
    group = [t for t in trials if t.method.name == "bp-sgd"]
    assert [len(p.trials) for p in packs(group, size, slots=1)] == lengths


def test_auto_leaves_several_packs_for_every_slot(trials: list[Trial]) -> None:
    assert len(packs(trials, "auto", slots=2)) >= 6
    assert len(packs(trials, "auto", slots=100)) == len(trials)


def test_a_pack_survives_json(trials: list[Trial]) -> None:
    pack = packs(trials, 3, slots=1)[0]
    again = Pack.from_json(pack.to_json())
    assert again == pack
    assert again.id == pack.id


def test_a_packs_id_is_of_its_trials(trials: list[Trial]) -> None:
    first, second = packs(trials, 3, slots=1)[:2]
    assert first.id != second.id
    assert first.id == Pack(first.trials).id


def test_short_trials_travel_in_larger_packs(trials: list[Trial]) -> None:
    rates = [replace(trials[0], learning_rate=0.001 * n) for n in range(1, 1001)]
    short = [replace(t, training=t.training.model_copy(update={"epochs": 1})) for t in rates]
    assert max(len(p.trials) for p in packs(rates, "auto", slots=2)) == CPU_PACK
    assert len(packs(short, "auto", slots=2)) < len(packs(rates, "auto", slots=2)) / 2


def test_a_steps_hidden_units_stay_in_a_cores_cache(trials: list[Trial]) -> None:
    rates = [replace(trials[0], learning_rate=0.001 * n) for n in range(1, 1001)]
    wide = [
        replace(
            t,
            network=t.network.model_copy(update={"hidden": (1000,)}),
            training=t.training.model_copy(update={"batch_size": 512, "epochs": 1}),
        )
        for t in rates
    ]
    assert {len(p.trials) for p in packs(wide, "auto", slots=2)} == {CACHED_BYTES // (4 * 1000 * 512)}


def test_packs_on_a_gpu_are_as_large_as_packs_before_them_showed_to_pay(trials: list[Trial]) -> None:
    group = [replace(trials[0], learning_rate=0.001 * n) for n in range(1, 1001)]
    known, room = GpuPackSize(), 1e12

    def largest() -> int:
        return max(len(p.trials) for p in packs(group, "auto", 1, gpu=True, memory=room, measured=known))

    assert largest() == FIRST - 1  # 1000 in 16 even parts
    known.ended(pack_kind(group[0]), FIRST, 1.0)
    assert 100 < largest() <= 2 * FIRST
    known.too_large(pack_kind(group[0]), 100)
    assert largest() == 50


def test_one_gpu_alone_gets_all_trials_at_once_and_several_share(trials: list[Trial]) -> None:
    group = [t for t in trials if t.method.name == "bp-sgd"]
    assert [len(p.trials) for p in packs(group, "auto", 1, gpu=True, memory=1e12)] == [5]
    assert len(packs(group, "auto", 2, gpu=True, memory=1e12)) == 5
    assert len(packs(group, "auto", 1, memory=1e12)) == 5


def test_auto_cuts_packs_that_fit_into_memory(trials: list[Trial]) -> None:
    group = [replace(trials[0], learning_rate=0.001 * n) for n in range(1, 101)]
    memory = 2 * (WORKER_BYTES + 3.5 * member_bytes(group[0])) / MEMORY_SHARE
    assert max(len(p.trials) for p in packs(group, "auto", slots=2, memory=memory)) == 3
    assert max(len(p.trials) for p in packs(group, "auto", slots=2, memory=0.0)) == 1


def test_a_frozen_first_layer_takes_memory_for_every_seed(trials: list[Trial]) -> None:
    first = next(t for t in trials if t.method.rule == "relu_features")
    rates = [replace(first, learning_rate=0.001 * n) for n in range(1, 101)]
    seeds = [replace(first, seed=n) for n in range(1, 101)]
    # A row of 128 numbers for each place of each image
    assert seed_bytes(first) == 4 * 128 * 3 * (1437 + 360)
    budget = 10.5 * (member_bytes(first) + seed_bytes(first))
    assert largest_pack(seeds, budget) == 10
    assert largest_pack(rates, budget) > 10
    assert pack_bytes(rates[:5]) == 5 * member_bytes(first) + seed_bytes(first)
    assert seed_bytes(trials[0]) == 0  # BP trains its first layer

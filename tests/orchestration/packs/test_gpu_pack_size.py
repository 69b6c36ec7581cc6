"""Packs on a GPU grow while that pays: the rule, on GPUs whose speed is a formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dfa_tune.orchestration.packs.gpu_pack_size import FIRST, MOST, GpuPackSize
from dfa_tune.orchestration.packs.placement import Slots

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


ONE_GPU = [Slots(request={"CPU": 1.0, "GPU": 1.0}, count=1, memory=1e12)]


def next_size(sweep: Any, name: str) -> int:
    return len(sweep.pack(name).trials)


def test_packs_are_cut_larger_as_soon_as_larger_ones_pay(make_sweep: Callable[..., Any]) -> None:
    sweep = make_sweep(SPACE, size="auto", slots=ONE_GPU)
    first, second = next_size(sweep, "a"), next_size(sweep, "b")
    assert FIRST - 1 <= first <= second <= FIRST  # 700 in 11 even parts; one trains and one waits
    sweep.end("a", {}, seconds=10.0)
    third = next_size(sweep, "c")
    assert 1.5 * second < third <= 2 * FIRST  # those left in even parts of no more than twice as many
    sweep.end("b", {}, seconds=10.0)
    assert next_size(sweep, "d") - third in (0, 1)  # even parts differ by one
    sweep.end("c", {}, seconds=10.0 * third / first)  # no more trials an hour than before
    assert next_size(sweep, "e") <= FIRST


def test_after_a_pack_too_large_the_next_are_as_small_as_its_halves(make_sweep: Callable[..., Any]) -> None:
    sweep = make_sweep(SPACE, size="auto", slots=ONE_GPU)
    first = next_size(sweep, "a")
    sweep.end_otherwise("a", "too large", "memory")
    assert [next_size(sweep, name) for name in "bc"] == [first // 2, first - first // 2]  # its own halves
    sweep.end("b", {}, seconds=1.0)
    assert next_size(sweep, "d") <= first // 2


def test_a_size_that_was_asked_for_stays(make_sweep: Callable[..., Any]) -> None:
    sweep = make_sweep(SPACE, size=50, slots=ONE_GPU)
    assert next_size(sweep, "a") == 50
    sweep.end("a", {}, seconds=10.0)
    assert next_size(sweep, "b") == 50

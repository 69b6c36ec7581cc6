"""What becomes of a pack whose worker died, by the rule alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dfa_tune.orchestration.driver.retry_policy import RetryPolicy
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.planning.state import SweepState


@pytest.fixture
def pack(make_state: Callable[..., SweepState]) -> Pack:
    return Pack(tuple(make_state().ready()[:3]))


def test_a_pack_is_tried_again_as_often_as_the_policy_says_and_then_split(pack: Pack) -> None:
    policy = RetryPolicy(retries=3)
    assert [policy.worker_died(pack) for _ in range(3)] == [[pack]] * 3
    assert policy.worker_died(pack) == [Pack(pack.trials[:1]), Pack(pack.trials[1:])]


def test_halves_of_a_pack_that_killed_its_workers_are_tried_once_more_each(pack: Pack) -> None:
    policy = RetryPolicy(retries=2)
    for _ in range(3):
        single, pair = (policy.worker_died(pack) * 2)[:2]
    assert policy.worker_died(single) == [single]
    assert policy.worker_died(single) == []  # it has failed
    assert policy.worker_died(pair) == [pair]
    assert len(policy.worker_died(pair)) == 2


def test_a_checkpoint_forgives_the_deaths_before_it(pack: Pack) -> None:
    policy = RetryPolicy(retries=1)
    for saved in (0.1, 0.2, 0.3):
        policy.checkpointed(pack, saved)
        assert policy.worker_died(pack) == [pack]
    policy.checkpointed(pack, 0.3)  # no further than before
    assert policy.worker_died(pack) != [pack]


def test_a_pack_that_is_too_large_is_split_at_once_and_its_halves_are_not_blamed(pack: Pack) -> None:
    policy = RetryPolicy(retries=1)
    single, pair = policy.too_large(pack)
    assert (single.trials, pair.trials) == (pack.trials[:1], pack.trials[1:])
    assert policy.too_large(single) == []
    assert policy.worker_died(pair) == [pair]

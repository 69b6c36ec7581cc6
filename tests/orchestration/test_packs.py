"""Packs: what may be trained together, and how many are cut."""

from __future__ import annotations

import pytest

from dfa_tune.agenda import Agenda
from dfa_tune.orchestration.packs import Pack, make_packs
from dfa_tune.sweep import load_sweep
from dfa_tune.trial import Trial


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    """The quickstart's tune trials: 5 of each of four methods."""
    return Agenda(load_sweep("quickstart"), "0" * 16).due({})


def test_packs_hold_every_trial_once(trials: list[Trial]) -> None:
    packs = make_packs(trials, "auto", slots=2)
    assert sorted(t.id for p in packs for t in p.trials) == sorted(t.id for t in trials)


def test_a_pack_differs_in_learning_rate_seed_and_feedback_alone(trials: list[Trial]) -> None:
    for pack in make_packs(trials, 100, slots=2):
        assert (
            len({(t.method.rule, t.method.optimizer, t.problem, t.network, t.training) for t in pack.trials})
            == 1
        )


@pytest.mark.parametrize(("size", "lengths"), [(4, [2, 3]), (5, [5]), (1, [1] * 5), (2, [1, 2, 2])])
def test_a_group_is_cut_evenly(trials: list[Trial], size: int, lengths: list[int]) -> None:
    group = [t for t in trials if t.method.name == "bp-sgd"]
    assert [len(p.trials) for p in make_packs(group, size, slots=1)] == lengths


def test_auto_leaves_several_packs_for_every_slot(trials: list[Trial]) -> None:
    assert len(make_packs(trials, "auto", slots=2)) >= 6
    assert len(make_packs(trials, "auto", slots=100)) == len(trials)


def test_a_pack_survives_json(trials: list[Trial]) -> None:
    pack = make_packs(trials, 3, slots=1)[0]
    again = Pack.from_json(pack.to_json())
    assert again == pack
    assert again.id == pack.id


def test_a_packs_id_is_of_its_trials(trials: list[Trial]) -> None:
    first, second = make_packs(trials, 3, slots=1)[:2]
    assert first.id != second.id
    assert first.id == Pack(first.trials).id

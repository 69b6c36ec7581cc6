"""What every optimizer must keep to."""

from __future__ import annotations

import torch

from dfa_tune.learning.optimizers import Base
from dfa_tune.registry import OPTIMIZERS
from dfa_tune.testing.training import assert_packed_equals_alone, assert_resumable

SHAPE = (2, 4, 3)
RATES = torch.tensor([0.01, 0.3], dtype=torch.float64).view(2, 1, 1)


def begun(optimizer: str) -> tuple[Base, torch.Generator]:
    """The optimizer of a parameter (2, 4, 3) in float64, and a source of gradients."""
    random = torch.Generator().manual_seed(0)
    made: Base = OPTIMIZERS[optimizer](torch.randn(SHAPE, generator=random, dtype=torch.float64))
    return made, random


def test_its_parameter_stays_finite_and_moves(optimizer: str) -> None:
    made, random = begun(optimizer)
    before = made.parameter.clone()
    for t in range(1, 6):
        made.step(torch.randn(SHAPE, generator=random, dtype=torch.float64), RATES, t)
    assert made.parameter.isfinite().all()
    assert not torch.equal(made.parameter, before)


def test_it_keeps_no_more_than_it_says(optimizer: str) -> None:
    made, random = begun(optimizer)
    for t in range(1, 4):
        made.step(torch.randn(SHAPE, generator=random, dtype=torch.float64), RATES, t)
    assert len(made.state) == made.slots
    assert all(tensor.shape == made.parameter.shape for tensor in made.state)


def test_what_it_calculates_in_has_no_memory(optimizer: str) -> None:
    """`scratch` is overwritten between steps; what is to be remembered belongs into `state`."""
    results = []
    for spoilt in (False, True):
        made, random = begun(optimizer)
        for t in range(1, 4):
            if spoilt:
                for tensor in made.scratch:
                    tensor.fill_(float("nan"))
            made.step(torch.randn(SHAPE, generator=random, dtype=torch.float64), RATES, t)
        results.append(made.parameter)
    assert torch.equal(*results)


def test_the_number_of_the_step_may_be_a_tensor(optimizer: str) -> None:
    """As on a GPU, where a step is recorded once and replayed."""
    results = []
    for recorded in (False, True):
        made, random = begun(optimizer)
        for number in range(1, 4):
            t = torch.tensor(float(number), dtype=torch.float64) if recorded else number
            made.step(torch.randn(SHAPE, generator=random, dtype=torch.float64), RATES, t)
        results.append(made.parameter)
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


def test_a_fused_step_gives_the_bits_of_a_step(optimizer: str) -> None:
    kind = OPTIMIZERS[optimizer]
    assert not kind.fuses or kind.same_bits()


def test_a_member_of_a_pack_is_the_trial_alone_bit_for_bit(optimizer: str) -> None:
    assert_packed_equals_alone("bp", optimizer=optimizer)


def test_a_training_that_was_interrupted_has_the_numbers_of_one_that_was_not(optimizer: str) -> None:
    assert_resumable("bp", optimizer=optimizer)

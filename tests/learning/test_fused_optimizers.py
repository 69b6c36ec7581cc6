"""A fused step is the optimizer's step, to the last bit, and is taken only where it is."""

from __future__ import annotations

import platform
from typing import Any

import numba
import pytest
import torch
from torch import Tensor

from dfa_tune.learning.matmul import GradientProduct
from dfa_tune.learning.optimizers import _base
from dfa_tune.learning.optimizers.rmsprop import Optimizer as RMSProp
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.kinds import parity
from dfa_tune.registry import OPTIMIZERS

FUSING = [name for name in OPTIMIZERS.names() if OPTIMIZERS[name].fuses]
SHAPES = [(1, 60, 512), (3, 37, 41), (2, 1, 1)]
STEPS = 20

same_rounding = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="the kernels round as torch does on x86-64; elsewhere torch's own operations may be all there is",
)


def stepped(
    name: str, shape: tuple[int, int, int], decay: float, fused: bool, recorded: bool, **options: float
) -> list[Tensor]:
    """Parameter and state after some steps with gradients over nine orders of magnitude."""
    random = torch.Generator().manual_seed(3)
    optimizer = OPTIMIZERS[name](torch.randn(shape, generator=random), **options)
    optimizer.fused = fused
    rates = torch.logspace(-4, 0, shape[0]).view(-1, 1, 1)
    out = torch.empty(shape)
    for t in range(1, STEPS + 1):
        x = torch.randn(1, 5, shape[1], generator=random) * 10.0 ** (t % 9 - 7)
        delta = torch.randn(shape[0], 5, shape[2], generator=random)
        step = torch.tensor(float(t), dtype=torch.float64) if recorded else t
        optimizer.step_product(GradientProduct(x, delta, 0.3, out), rates, decay, step)
    return [optimizer.parameter, *optimizer.state]


@same_rounding
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("decay", [0.0, 1e-3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FUSING)
def test_a_fused_step_is_the_step_to_the_last_bit(
    name: str, shape: tuple[int, int, int], decay: float, recorded: bool
) -> None:
    ours, torchs = (stepped(name, shape, decay, fused, recorded) for fused in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(ours, torchs, strict=True))


@same_rounding
@pytest.mark.parametrize("value", [0.001, 0.37])
@pytest.mark.parametrize("name", FUSING)
def test_a_fused_step_is_the_step_with_other_options_too(name: str, value: float) -> None:
    options = dict.fromkeys(OPTIMIZERS[name].defaults, value)
    ours, torchs = (stepped(name, SHAPES[1], 1e-3, fused, False, **options) for fused in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(ours, torchs, strict=True))
    assert OPTIMIZERS[name].same_bits(**options)


@same_rounding
@pytest.mark.parametrize("name", FUSING)
def test_numbers_that_are_not_finite_are_the_same_too(name: str) -> None:
    """A member that diverges is told by them, at the same step."""
    results = []
    for fused in (True, False):
        optimizer = OPTIMIZERS[name](torch.tensor([[[1.0, float("inf"), -2.0, float("nan")]]]))
        gradient = torch.tensor([[[0.0, 1.0, float("inf"), 1.0]]])
        step = optimizer.step_fused if fused else lambda g, rate, _, t, o=optimizer: o.step(g, rate, t)
        for t in (1, 2):
            step(gradient.clone(), torch.full((1, 1, 1), 0.1), 0.0, t)
        results.append([optimizer.parameter, *optimizer.state])
    for ours, torchs in zip(*results, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=0, atol=0, equal_nan=True)


def trained(optimizer: str, precision: Any) -> tuple[PackTraining, list[dict[str, Any]]]:
    """Two members over two epochs of digits."""
    problem = parity.Problem(
        parity.Settings(dataset="digits", k=2, train_samples=300, test_samples=100), None, "train"
    )
    training = PackTraining(
        problem,
        Network(hidden=(64,), bias=True),
        Training(epochs=2, batch_size=32, weight_decay=1e-3, precision=precision),
        "dfa",
        optimizer,
        [Member(0.01, 0, "uniform"), Member(0.003, 1, "gaussian")],
    )
    rows = [row for _ in range(2) for row in training.run_epoch()]
    return training, [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@same_rounding
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", FUSING)
def test_a_training_with_fused_steps_gives_the_same_rows(
    name: str, precision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        plain, expected = trained(name, precision)
        monkeypatch.setattr(_base, "WORTH_FUSING", 0)
        fused, rows = trained(name, precision)
    finally:
        torch.set_num_threads(threads)
    assert not any(optimizer.fused for optimizer in plain.optimizers.values())
    assert all(optimizer.fused for optimizer in fused.optimizers.values())
    assert rows == expected


class Wrong(RMSProp):
    """Its fused step forgets the weight decay."""

    def step_fused(self, gradient: Tensor, learning_rate: Tensor, decay: float, t: int | Tensor) -> None:
        super().step_fused(gradient, learning_rate, 0.0, t)


def test_a_kernel_with_other_bits_is_not_used() -> None:
    optimizer = Wrong(torch.zeros(1, 256, 256))
    optimizer.fuse(10**9)
    assert not Wrong.same_bits()
    assert not optimizer.fused


def test_without_a_compiler_torch_takes_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fresh(RMSProp):
        """Not yet compared with torch."""

    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)  # as NUMBA_DISABLE_JIT does
    optimizer = Fresh(torch.zeros(1, 256, 256))
    optimizer.fuse(10**9)
    assert not optimizer.fused


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_left_to_torch(dtype: torch.dtype) -> None:
    optimizer = RMSProp(torch.zeros(1, 256, 256, dtype=dtype))
    optimizer.fuse(10**9)
    assert not optimizer.fused


def test_a_short_training_does_not_wait_for_a_compiler() -> None:
    optimizer = RMSProp(torch.zeros(1, 256, 256))
    optimizer.fuse(_base.WORTH_FUSING // 256**2 - 1)
    assert not optimizer.fused

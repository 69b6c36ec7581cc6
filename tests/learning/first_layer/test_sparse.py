"""Products that skip zeros, against NumPy's, and trainings with them against dense ones.

Here they are asked for by name; a sweep chooses by the data set's density.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.errors import UserError
from dfa_tune.learning.first_layer.sparse import ColumnSums, Sparse, SparseItems, SparseSource
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.kinds import classification, parity
from dfa_tune.registry import FEEDBACK, OPTIMIZERS, PROBLEMS, RULES

MEAN, SCALE, K, SIZE = 3.25, 0.125, 3, 12
PARITY = parity.Settings(dataset="digits", k=2, train_samples=173, test_samples=301)
DIGITS = classification.Settings(dataset="digits", train_samples=173)  # ten classes
ROW_BY_ROW = ("momentum", "nesterov", "adagrad", "rmsprop")  # fused in one pass in dense steps too


def some_items(density: float, dtype: Any = np.uint8, seed: int = 0) -> Tensor:
    """(20, SIZE): values other than zero at about so many places; the first item is all zero."""
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 200, (20, SIZE)) * (rng.random((20, SIZE)) < density)
    values[0] = 0
    return torch.from_numpy(values.astype(dtype) if dtype is np.uint8 else (values / 7 - 3).astype(dtype))


class Given:
    """A batch of two streams for three members, as sparse inputs and as a matrix for each member."""

    def __init__(self, density: float = 0.3, dtype: Any = np.uint8, width: int = 37) -> None:
        rng = torch.Generator().manual_seed(1)
        self.items = [some_items(density, dtype, seed) for seed in (0, 1)]
        self.chosen = [torch.randint(20, (9, K), generator=rng) for _ in self.items]
        self.sums = ColumnSums()
        self.source = SparseSource(
            [SparseItems(one) for one in self.items], (1, 0, 1), 16, K, MEAN, SCALE, self.sums
        )
        x = [items[chosen].reshape(9, -1) for items, chosen in zip(self.items, self.chosen, strict=True)]
        self.x = (torch.stack([x[1], x[0], x[1]]).double() - MEAN) * SCALE
        self.weight = torch.randn(3, K * SIZE, width, generator=rng)
        self.delta = torch.randn(3, 9, width, generator=rng)
        self.bias = torch.randn(3, 1, width, generator=rng)

    @property
    def inputs(self) -> Sparse:
        return self.source.inputs(self.chosen)

    def gradient(self) -> NDArray[np.float64]:
        return (self.x.transpose(1, 2) @ self.delta.double()).numpy()


def close(found: Tensor, expected: Any) -> None:
    size = float(np.abs(np.asarray(expected)).max())
    np.testing.assert_allclose(found.numpy(), np.asarray(expected), rtol=1e-5, atol=3e-6 * size)


DENSITIES = [(0.0, np.uint8), (0.2, np.uint8), (0.6, np.uint8), (1.0, np.uint8), (1.0, np.float32)]


@pytest.mark.parametrize(("density", "dtype"), DENSITIES)
@pytest.mark.parametrize("with_bias", [True, False])
def test_preactivations_are_the_product_with_the_centred_inputs(
    density: float, dtype: Any, with_bias: bool
) -> None:
    given = Given(density, dtype)
    found = given.inputs.affine(given.weight, given.bias if with_bias else None)
    close(found, given.x @ given.weight.double() + (given.bias.double() if with_bias else 0))


@pytest.mark.parametrize(("density", "dtype"), DENSITIES)
def test_the_gradient_is_the_product_with_the_centred_inputs(density: float, dtype: Any) -> None:
    given = Given(density, dtype)
    close(given.inputs.gradient(given.delta, torch.empty_like(given.weight)).compute(), given.gradient())


def test_weights_larger_than_the_cache_are_multiplied_in_blocks_of_rows() -> None:
    """Of 36 rows two blocks of 28, and the same bits as with a block for each part of the columns."""
    given = Given(width=2048)
    found = given.inputs.affine(given.weight, None)
    close(found, given.x @ given.weight.double())
    narrow = Given(width=2048)
    for begin in (0, 1024):
        part = narrow.weight[:, :, begin : begin + 1024].contiguous()
        assert torch.equal(narrow.inputs.affine(part, None), found[:, :, begin : begin + 1024])


def test_a_shorter_batch_after_a_longer_one_has_its_own_tuples_only() -> None:
    given = Given()
    given.source.inputs([chosen.flip(0) for chosen in given.chosen])
    short = given.source.inputs([chosen[:2] for chosen in given.chosen])
    close(short.affine(given.weight, None), given.x[:, :2] @ given.weight.double())
    out = torch.empty_like(given.weight)
    expected = given.x[:, :2].transpose(1, 2) @ given.delta[:, :2].double()
    close(short.gradient(given.delta[:, :2], out).compute(), expected)


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_an_update_is_the_optimizers_step_with_the_gradient(name: str, decay: float) -> None:
    """Against the step in double precision, whose formula `test_optimizers.py` checks."""
    given = Given()
    rates = torch.tensor([0.3, 0.01, 1.0]).view(-1, 1, 1)
    ours, expected = OPTIMIZERS[name](given.weight.clone()), OPTIMIZERS[name](given.weight.double())
    for t in (1, 2, 3):
        given.inputs.gradient(given.delta, torch.empty(0)).update(ours, rates, decay, t)
        gradient = torch.from_numpy(given.gradient()) + decay * expected.parameter
        expected.step(gradient, rates.double(), t)
    for found, wanted in zip(
        [ours.parameter, *ours.state], [expected.parameter, *expected.state], strict=True
    ):
        close(found, wanted)


@pytest.mark.parametrize("name", ROW_BY_ROW)
def test_a_row_is_updated_by_the_formula_of_the_dense_pass_to_the_last_bit(name: str) -> None:
    given = Given()
    rates = torch.tensor([0.3, 0.01, 1.0]).view(-1, 1, 1)
    sparse, dense = OPTIMIZERS[name](given.weight.clone()), OPTIMIZERS[name](given.weight.clone())
    gradient = given.inputs.gradient(given.delta, torch.empty_like(given.weight)).compute().clone()
    given.inputs.gradient(given.delta, torch.empty(0)).update(sparse, rates, 1e-3, 1)
    dense.step_fused(gradient, rates, 1e-3, 1)
    assert torch.equal(sparse.parameter, dense.parameter)


def test_without_a_compiler_there_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    with pytest.raises(UserError, match="NUMBA_DISABLE_JIT is set"):
        trained(PARITY, [Member(0.1, 0)], "bp")


def test_an_optimizer_without_a_kernel_gets_the_gradient() -> None:
    class Halved(OPTIMIZERS["sgd"]):  # type: ignore[misc]
        """As an optimizer of one's own."""

        def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
            self.parameter.sub_(gradient * learning_rate / 2)

        def formula(self, learning_rate: Tensor, t: int | Tensor) -> None:
            return None

    given = Given()
    before, optimizer = given.weight.double(), Halved(given.weight)
    given.inputs.affine(given.weight, None)  # so that the sums of the weights are known
    gradient = given.inputs.gradient(given.delta, torch.empty_like(given.weight))
    gradient.update(optimizer, torch.ones(3, 1, 1), 0.1, 1)
    after = before - (torch.from_numpy(given.gradient()) + 0.1 * before) / 2
    close(given.weight, after)
    close(given.inputs.affine(given.weight, None), given.x @ given.weight.double())


@pytest.mark.parametrize("by", ["update", "torch"])
def test_sums_of_the_weights_follow_every_change(by: str) -> None:
    given = Given()
    sums = given.sums.of(given.weight)
    if by == "torch":
        given.weight.mul_(2)
    else:
        optimizer = OPTIMIZERS["sgd"](given.weight)
        given.inputs.gradient(given.delta, torch.empty(0)).update(optimizer, torch.ones(3, 1, 1), 0.0, 1)
    kept = given.sums.of(given.weight)
    assert kept is sums
    assert np.array_equal(kept, ColumnSums().of(given.weight))  # in the same order: a restart has the same
    close(torch.from_numpy(kept), given.weight.double().sum(1))


def digests(names: list[str]) -> list[str]:
    """A hash of the weights and preactivations after three steps of each optimizer."""
    found = []
    for name in names:
        given, digest = Given(), hashlib.sha256()
        optimizer = OPTIMIZERS[name](given.weight)
        for t in (1, 2, 3):
            a = given.inputs.affine(given.weight, None)
            given.inputs.gradient(a, torch.empty(0)).update(optimizer, torch.full((3, 1, 1), 0.03), 1e-3, t)
            digest.update(a.numpy().tobytes() + given.weight.numpy().tobytes())
        found.append(digest.hexdigest())
    return found


@pytest.mark.slow  # kernels are compiled for another processor
def test_a_processor_without_wide_vectors_or_fma_gives_the_same_bits(tmp_path: Path) -> None:
    """numba compiles for plain x86-64 (on other machines, for what is called generic there)."""
    names = OPTIMIZERS.names()
    program = "import sys, test_sparse; print(*test_sparse.digests(sys.argv[1:]))"
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", program, *names],
        cwd=Path(__file__).parent,
        env=os.environ | plain,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == digests(names)


@pytest.mark.slow  # as above
def test_two_processes_may_compile_into_one_cache_at_once(tmp_path: Path) -> None:
    program = "import test_sparse; print(*test_sparse.digests(['rmsprop']))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parent,
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    printed = [process.communicate()[0].split() for process in processes]
    assert printed == [digests(["rmsprop"])] * 2


# -- trainings ----------------------------------------------------------------------------------


def trained(
    problem: Any,
    members: list[Member],
    rule: str,
    optimizer: str = "sgd",
    network: dict[str, Any] | None = None,
    sparse: bool = True,
    recorded: bool | None = None,
    **training: Any,
) -> tuple[PackTraining, list[list[dict[str, Any]]]]:
    """A finished training, and its rows by member, without `member` and `seconds`."""
    pack = PackTraining(
        problem if hasattr(problem, "train") else PROBLEMS[problem.kind](problem),
        Network(**{"hidden": (37,), "bias": True} | (network or {})),
        Training(**{"epochs": 2, "batch_size": 50, "weight_decay": 1e-3} | training),
        rule,
        optimizer,
        members,
        recorded=recorded,
        sparse=sparse,
    )
    rows: list[list[dict[str, Any]]] = [[] for _ in members]
    while not pack.finished:
        for row in pack.run_epoch():
            kept = {name: value for name, value in row.items() if name not in ("member", "seconds")}
            rows[row["member"]].append(kept)
    return pack, rows


def members(rule: str, seeds: tuple[int, ...]) -> list[Member]:
    names: list[str | None] = list(FEEDBACK.names()) if RULES[rule].uses_feedback else [None]
    return [Member(0.01 * 1.7**n, seed, names[n % len(names)]) for n, seed in enumerate(seeds)]


def same_numbers(a: tuple[PackTraining, Any], b: tuple[PackTraining, Any], member: int, other: int) -> None:
    """Rows and weights, to the last bit."""
    assert a[1][member] == b[1][other]
    weights = b[0].weights(other)
    for name, tensor in a[0].weights(member).items():
        assert torch.equal(tensor, weights[name]), name


@pytest.mark.parametrize("problem", [PARITY, DIGITS], ids=["parity", "ten classes"])
@pytest.mark.parametrize("rule", RULES.names())
def test_a_training_is_the_dense_one_up_to_rounding(rule: str, problem: Any) -> None:
    pack = members(rule, (0, 1, 0))
    _, sparse = trained(problem, pack, rule)
    _, dense = trained(problem, pack, rule, sparse=False, precision="float64")
    for ours, theirs in zip(sparse, dense, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            for name in ("train_loss", "test_loss", "gradient_alignment", "step_alignment"):
                assert a[name] == (None if b[name] is None else pytest.approx(b[name], rel=1e-4, abs=1e-5))


@pytest.mark.parametrize(
    ("rule", "problem", "network", "epochs"),
    [
        ("dfa", PARITY, {}, 2),
        ("bp", PARITY, {"hidden": (37, 19), "activation": "tanh"}, 2),
        ("kolen_pollack", DIGITS, {"hidden": (21, 13)}, 2),
        ("ntk", PARITY, {"bias": False}, 2),
        ("ntk", PARITY, {}, 10),  # the gate's products are in a table
        ("relu_features", PARITY, {}, 2),
    ],
)
def test_a_member_of_a_pack_is_the_trial_alone(
    rule: str, problem: Any, network: dict[str, Any], epochs: int
) -> None:
    pack = members(rule, (0, 1, 0, 2))
    packed = trained(problem, pack, rule, "rmsprop", network, epochs=epochs)
    for position in (0, 2, 3):
        alone = trained(problem, [pack[position]], rule, "rmsprop", network, epochs=epochs)
        same_numbers(packed, alone, position, 0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_a_diverging_member_disturbs_no_other(optimizer: str) -> None:
    pack = members("dfa", (0, 0))
    packed = trained(PARITY, [pack[0], Member(1e30, 0, "uniform"), pack[1]], "dfa", optimizer)
    same_numbers(packed, trained(PARITY, [pack[1]], "dfa", optimizer), 2, 0)
    assert not packed[1][2][-1]["diverged"]


def test_threads_do_not_matter(threads: Callable[[int], None]) -> None:
    results = []
    for count in (1, 2):
        threads(count)
        results.append(trained(PARITY, members("dfa", (0, 1)), "dfa", "adam", {"hidden": (333,)}))
    same_numbers(*results, 1, 1)


@pytest.mark.parametrize("optimizer", ["nesterov", "adam"])
@pytest.mark.parametrize("batches", [1, 4, 6])
def test_a_restart_goes_on_with_the_same_numbers(optimizer: str, batches: int) -> None:
    pack = members("dfa", (0, 1))
    whole, expected = trained(PARITY, pack, "dfa", optimizer)
    given: Any = (whole.problem, Network(hidden=(37,), bias=True), whole.training, "dfa", optimizer, pack)
    first, second = (PackTraining(*given, sparse=True) for _ in range(2))
    for _ in range(batches):
        first.advance(0.0)
    second.restore({name: tensor.clone() for name, tensor in first.state().items()})
    rows = second.advance(float("inf"))
    assert rows[-1]["test_loss"] == expected[1][-1]["test_loss"]
    assert torch.equal(second.weights(1)["hidden.0.weight"], whole.weights(1)["hidden.0.weight"])


def test_a_recorded_step_is_the_ordinary_one() -> None:
    pack = members("dfa", (0, 1, 0))
    results = [trained(PARITY, pack, "dfa", "adam", recorded=recorded) for recorded in (True, False)]
    same_numbers(*results, 1, 1)


class NewItems(parity.Problem):
    """Parity whose images are another array in each epoch, as of a problem that augments them."""

    def train(self, seed: int, epoch: int) -> EpochSample:
        draw = super().train(seed, epoch)
        return EpochSample(np.roll(draw.items, epoch, axis=2), draw.indices, draw.labels)


def test_items_may_be_other_arrays_in_every_epoch() -> None:
    pack, problem = members("dfa", (0, 1)), NewItems(PARITY)
    _, sparse = trained(problem, pack, "dfa", epochs=4)
    _, dense = trained(problem, pack, "dfa", epochs=4, sparse=False)
    assert sparse[1][-1]["train_loss"] == pytest.approx(dense[1][-1]["train_loss"], rel=1e-5)


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_other_precisions_are_multiplied_densely(precision: str) -> None:
    pack = members("dfa", (0, 1))
    results = [trained(PARITY, pack, "dfa", sparse=sparse, precision=precision) for sparse in (True, False)]
    same_numbers(*results, 1, 1)

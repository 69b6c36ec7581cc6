"""What batches gather, in which order, and the tables of frozen products."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dfa_tune.learning.batches import Batches, Items, item_order, spread
from dfa_tune.learning.first_layer.dense import Dense, DenseSource
from dfa_tune.learning.first_layer.table import Table
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.kinds.parity import Problem, Settings

CPU = torch.device("cpu")


def some_draw(seed: int, tuples: int = 20, k: int = 3) -> EpochSample:
    rng = np.random.default_rng(seed)
    items = rng.integers(0, 256, (11, 4, 2), dtype=np.uint8)
    return EpochSample(items, rng.integers(0, 11, (tuples, k)), rng.integers(0, 2, tuples, dtype=np.uint8))


def batches(draws: list[EpochSample], stream_of: list[int]) -> Batches:
    items, members = Items(CPU, 4), spread(stream_of, len(draws), CPU)
    arrays = [items.tensor(draw.items) for draw in draws]
    source = DenseSource(arrays, members, 8, 3, 33.25, 1.0, torch.float64, torch.float64)
    return Batches(draws, items, members, 8, (source, source), torch.float64, CPU)


def test_a_batch_is_the_draw_centred_in_item_order() -> None:
    draw = some_draw(0)
    order = item_order(4, 2, 3)
    batch = batches([draw], [0, 0]).get(slice(16, 24))
    assert isinstance(batch.inputs, Dense)
    np.testing.assert_array_equal(batch.inputs.x[0].numpy(), (draw.gather() - 33.25)[16:24][:, order])
    np.testing.assert_array_equal(batch.labels[0].numpy(), draw.labels[16:24])


@pytest.mark.parametrize("stream_of", [[0, 1], [1, 0, 1]])
def test_every_member_sees_its_own_stream(stream_of: list[int]) -> None:
    draws = [some_draw(0), some_draw(1)]
    batch = batches(draws, stream_of).get(slice(0, 8))
    assert isinstance(batch.inputs, Dense)
    assert batch.inputs.x.shape[0] == len(stream_of)
    for member, stream in enumerate(stream_of):
        expected = (draws[stream].gather() - 33.25)[:8][:, item_order(4, 2, 3)]
        np.testing.assert_array_equal(batch.inputs.x[member].numpy(), expected)
        np.testing.assert_array_equal(batch.labels[member].numpy(), draws[stream].labels[:8])


def test_items_are_not_copied_on_a_cpu_even_where_they_are_read_only() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(3, 4, 2)
    array.flags.writeable = False
    items = Items(CPU, 2)
    tensor = items.tensor(array)
    assert tensor.data_ptr() == array.ctypes.data
    assert items.tensor(array) is tensor


@pytest.mark.parametrize("with_bias", [True, False])
def test_a_table_gives_the_products_of_whole_tuples(with_bias: bool) -> None:
    draw, rng = some_draw(2), torch.Generator().manual_seed(0)
    weight = torch.randn(1, 24, 5, generator=rng, dtype=torch.float64)
    bias = torch.randn(1, 1, 5, generator=rng, dtype=torch.float64) if with_bias else None
    items = torch.from_numpy(draw.items.reshape(11, -1))
    table = Table(items, weight, bias, 33.25, 0.01, lambda x: x, 0)
    x = torch.from_numpy((draw.gather() - 33.25)[:, item_order(4, 2, 3)])
    expected = 0.01 * x @ weight[0] + (0 if bias is None else bias[0])
    torch.testing.assert_close(table.sums(torch.from_numpy(draw.indices)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", ["relu_features", "fourier_features", "ntk", "galu", "gaussian_features"])
@pytest.mark.parametrize("seeds", [(0, 0), (0, 1), (1, 0, 1)])
def test_a_lazy_pack_learns_the_same_with_tables_and_without(rule: str, seeds: tuple[int, ...]) -> None:
    def losses(epochs: int, images: int) -> list[float]:
        # Tables pay when an epoch's tuples are at least as many as the images
        problem = Problem(Settings(dataset="digits", k=2, train_samples=images, test_samples=20))
        training = Training(epochs=epochs, batch_size=16, precision="float64")
        members = [Member(0.1, seed) for seed in seeds]
        network = Network(hidden=(5,), bias=True)
        pack = PackTraining(problem, network, training, rule, "sgd", members)
        found = [row["train_loss"] for row in pack.run_epoch()]
        assert bool(pack._loader.tables) == (images * epochs >= 1_000)
        return found

    assert losses(40, 48) == pytest.approx(losses(1, 48), rel=1e-9)


def test_weights_are_written_in_the_order_of_the_thesis() -> None:
    problem = Problem(Settings(dataset="digits", k=3, train_samples=32, test_samples=32))
    training = Training(epochs=1, batch_size=16, precision="float64")
    pack = PackTraining(problem, Network(hidden=(6,)), training, "bp", "sgd", [Member(0.1, 3)])
    pack.run_epoch()
    tensors = pack.weights(0)
    draw = problem.test(3, 1)
    x = torch.from_numpy((draw.gather().astype(np.float64) - problem.mean) / problem.std)
    logits = (x @ tensors["hidden.0.weight"]).clamp(min=0) @ tensors["output.weight"][0]
    labels = torch.from_numpy(draw.labels)
    fresh = PackTraining(problem, Network(hidden=(6,)), training, "bp", "sgd", [Member(0.1, 3)])
    accuracy = float(((logits > 0) == (labels > 0)).double().mean())
    assert accuracy == fresh.run_epoch()[0]["test_accuracy"]

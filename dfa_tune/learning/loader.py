"""What the members of a pack see: a stream of tuples a seed, drawn and gathered epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.learning.batches import Batches, FixedBatches, Items
from dfa_tune.learning.network import PackedNetwork
from dfa_tune.learning.product_cache import Table, pays
from dfa_tune.learning.settings import Training
from dfa_tune.problems.epoch_sample import EpochSample, Problem
from dfa_tune.problems.validation import check_items, check_sample

TEST_CHUNK = 256  # tuples tested at once: they stay in the cache, and the order of sums is fixed
AnyBatches = TypeVar("AnyBatches", bound=Batches)


def centre(problem: Problem, training: Training) -> float:
    """What is subtracted from inputs: a whole number leaves bytes exact in bfloat16's 8 bits."""
    return round(problem.mean) if training.precision == "bfloat16" else problem.mean


class Loader:
    """Batches of the streams that `seeds` have, members with one seed sharing one, on the network's device.

    `samples` and `size`: tuples a training epoch and a training batch.
    """

    def __init__(
        self,
        problem: Problem,
        training: Training,
        network: PackedNetwork,
        seeds: Sequence[int],
        samples: int,
        size: int,
    ) -> None:
        self._problem, self._training, self._network = problem, training, network
        self.samples, self.size = samples, size
        self._centre = centre(problem, training)
        self._streams = list(dict.fromkeys(seeds))
        self._stream_of = [self._streams.index(seed) for seed in seeds]
        # Kept: the arrays of a training epoch and of a test, and the tables of each
        self._items = Items(network.device, most=2 * len(self._streams))
        self.tables: list[Table] = []
        self._ahead: dict[int, list[EpochSample]] = {}
        self._checked: list[NDArray[Any]] = []  # items that are known to be valid

    def draw_ahead(self, epoch: int) -> None:
        """Draw an epoch's training tuples while a GPU is busy."""
        self._ahead = {epoch: self._draw(epoch)}

    def train(self, epoch: int) -> Batches:
        """The batches of an epoch."""
        return self._train(epoch, Batches)

    def train_fixed(self, epoch: int) -> FixedBatches:
        """The same, in memory that `load` fills again."""
        return self._train(epoch, FixedBatches)

    def load(self, batches: FixedBatches, epoch: int) -> bool:
        """Put an epoch's tuples into `batches`; False where its items are others, and nothing is done."""
        self._ahead = {epoch: self._drawn(epoch)}
        return batches.load(self._ahead[epoch])

    def test(self, epoch: int) -> tuple[Batches, int]:
        """The batches, of TEST_CHUNK tuples, of an epoch's test, and how many tuples these are together."""
        draws = [self._problem.test(seed, epoch) for seed in self._streams]
        samples = len(draws[0].labels)
        self._check(draws, samples, f"the test of epoch {epoch}")
        tests = -(-self._training.epochs // self._training.evaluate_every)
        return self._batches(draws, min(TEST_CHUNK, samples), samples * tests, Batches), samples

    def _drawn(self, epoch: int) -> list[EpochSample]:
        return self._ahead.pop(epoch, None) or self._draw(epoch)

    def _draw(self, epoch: int) -> list[EpochSample]:
        draws = [self._problem.train(seed, epoch) for seed in self._streams]
        self._check(draws, self.samples, f"training epoch {epoch}")
        return draws

    def _check(self, draws: Sequence[EpochSample], samples: int, what: str) -> None:
        for draw in draws:
            if not any(draw.items is items for items in self._checked):
                check_items(draw.items, self._problem.settings)
                if len(self._checked) >= 2 * len(self._streams):
                    self._checked.clear()
                self._checked.append(draw.items)
            check_sample(draw, self._problem.settings, samples, what)

    def _train(self, epoch: int, kind: type[AnyBatches]) -> AnyBatches:
        return self._batches(self._drawn(epoch), self.size, self.samples * self._training.epochs, kind)

    def _batches(
        self, draws: list[EpochSample], size: int, tuples: int, kind: type[AnyBatches]
    ) -> AnyBatches:
        """`tuples`: how many of their kind there will be in all."""
        rule = self._network.rule
        frozen = not rule.trains_hidden
        known = (frozen or rule.gate is not None) and pays(len(draws[0].items), tuples)
        batches = kind(
            draws,
            self._items,
            self._stream_of,
            size,
            self._centre,
            self._network.dtype,
            self._network.device,
            inputs=not (frozen and known),
        )
        if known:
            batches.tables = [self._table(stream, items) for stream, items in enumerate(batches.items)]
        return batches

    def _table(self, stream: int, items: Tensor) -> Table:
        """The frozen products of a stream's items, computed once while they stay the same."""
        for table in self.tables:
            if table.items is items and table.stream == stream:
                return table
        if len(self.tables) >= 2 * len(self._streams):
            self.tables.clear()
        network = self._network
        weight, bias = network.frozen_products(self._stream_of.index(stream))
        table = Table(items, weight, bias, self._centre, network.scale, network.operand, stream)
        self.tables.append(table)
        return table

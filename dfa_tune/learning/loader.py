"""The batches of a pack: each seed has its stream of tuples, drawn epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.learning.batches import Batches, FixedBatches, Items, spread
from dfa_tune.learning.first_layer import Source
from dfa_tune.learning.first_layer.dense import DenseSource
from dfa_tune.learning.first_layer.sparse import ColumnSums, SparseItems, SparseSource
from dfa_tune.learning.first_layer.table import Table, TableSource, pays
from dfa_tune.learning.network import PackedNetwork
from dfa_tune.learning.settings import TESTED_AT_ONCE, Training
from dfa_tune.problems.epoch_sample import EpochSample, FinalTest, Problem
from dfa_tune.problems.validation import check_items, check_sample

AnyBatches = TypeVar("AnyBatches", bound=Batches)


def centre(problem: Problem, training: Training) -> float:
    """What is subtracted from inputs; in bfloat16 a whole number, so that bytes stay exact in 8 bits."""
    return round(problem.mean) if training.precision == "bfloat16" else problem.mean


class Loader:
    """Draws the tuples of every epoch and makes batches of them on the network's device.

    `seeds` has one entry for each member; members with the same seed share a stream of tuples. An epoch has
    `samples` tuples, a training batch `size` of them. What is drawn is checked: UserError where it is not
    valid. For a portable network the inputs that are zero are skipped.
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
        self._members = spread(self._stream_of, len(self._streams), network.device)
        # Kept for each stream: the items of training and of testing, and a table for each of them
        self._items = Items(network.device, most=2 * len(self._streams))
        self.tables: list[Table] = []
        self._sparse_items: list[SparseItems] = []
        self._column_sums = ColumnSums()
        self._ahead: dict[int, list[EpochSample]] = {}
        self._checked: list[NDArray[Any]] = []  # items that are known to be valid

    def draw_ahead(self, epoch: int) -> None:
        """Draw an epoch's training tuples before they are needed, while a GPU is busy."""
        self._ahead = {epoch: self._draw(epoch)}

    def train(self, epoch: int) -> Batches:
        """The training batches of an epoch."""
        return self._train(epoch, Batches)

    def train_fixed(self, epoch: int) -> FixedBatches:
        """The training batches of an epoch, in memory that `load` fills again."""
        return self._train(epoch, FixedBatches)

    def load(self, batches: FixedBatches, epoch: int) -> bool:
        """Put an epoch's tuples into `batches`; False, and nothing is done, if its items are other arrays."""
        self._ahead = {epoch: self._drawn(epoch)}
        return batches.load(self._ahead[epoch])

    def test(self, epoch: int) -> tuple[Batches, int]:
        """The batches of an epoch's test, of TESTED_AT_ONCE tuples each, and the number of tuples in all."""
        problem, tests = self._problem, self._training.tests
        final = problem.settings.final_samples
        draw = problem.test
        if final is not None and epoch == self._training.epochs:
            draw = cast(FinalTest, problem).final_test
        drawn = [draw(seed, epoch) for seed in self._streams]
        self._check(drawn, None, f"the test of epoch {epoch}")
        samples = len(drawn[0].labels)
        # How many are tested in all, the same number at every epoch
        tuples = (
            samples * tests if final is None else (problem.settings.test_samples or 0) * (tests - 1) + final
        )
        return self._batches(drawn, min(TESTED_AT_ONCE, samples), tuples, Batches), samples

    def _drawn(self, epoch: int) -> list[EpochSample]:
        return self._ahead.pop(epoch, None) or self._draw(epoch)

    def _draw(self, epoch: int) -> list[EpochSample]:
        drawn = [self._problem.train(seed, epoch) for seed in self._streams]
        self._check(drawn, self.samples, f"training epoch {epoch}")
        return drawn

    def _check(self, drawn: Sequence[EpochSample], samples: int | None, what: str) -> None:
        for sample in drawn:
            if not any(sample.items is items for items in self._checked):
                check_items(sample.items, self._problem.settings)
                if len(self._checked) >= 2 * len(self._streams):
                    self._checked.clear()
                self._checked.append(sample.items)
            check_sample(sample, self._problem.settings, samples, what)
            samples = len(sample.labels)  # as many in every stream

    def _train(self, epoch: int, kind: type[AnyBatches]) -> AnyBatches:
        return self._batches(self._drawn(epoch), self.size, self.samples * self._training.epochs, kind)

    def _batches(
        self, drawn: list[EpochSample], size: int, tuples: int, kind: type[AnyBatches]
    ) -> AnyBatches:
        """Batches of `size`; `tuples`: how many will be drawn from these items in the whole training."""
        items = [self._items.tensor(sample.items) for sample in drawn]
        sources = self._sources(items, size, drawn[0].indices.shape[1], tuples)
        dtype, device = self._network.dtype, self._network.device
        return kind(drawn, self._items, self._members, size, sources, dtype, device)

    def _sources(self, items: list[Tensor], size: int, k: int, tuples: int) -> tuple[Source, Source]:
        """How the first layer's own inputs and its gate's are made of the items of each stream."""
        network, members = self._network, self._members
        rule = network.rule
        frozen = not rule.trains_hidden
        known: Source | None = None
        if (frozen or rule.gate is not None) and pays(len(items[0]), tuples):
            known = TableSource([self._table(stream, one) for stream, one in enumerate(items)], members)
            if frozen:
                return known, known
        own: Source
        if network.portable:
            sparse = [self._sparse(one) for one in items]
            own = SparseSource(
                sparse, self._stream_of, size, k, self._centre, network.scale, self._column_sums
            )
        else:
            own = DenseSource(
                items, members, size, k, self._centre, network.scale, network.dtype, network.product_dtype
            )
        return own, known or own

    def _sparse(self, items: Tensor) -> SparseItems:
        """The values of items that are not zero, found again only when the items are another array."""
        for one in self._sparse_items:
            if one.items is items:
                return one
        if len(self._sparse_items) >= 2 * len(self._streams):
            self._sparse_items.clear()
        self._sparse_items.append(SparseItems(items))
        return self._sparse_items[-1]

    def _table(self, stream: int, items: Tensor) -> Table:
        """The frozen products of a stream's items, computed again only when the items are another array."""
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

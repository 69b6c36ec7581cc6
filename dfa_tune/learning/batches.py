"""Batches of a pack, gathered from the items into memory that is used again.

The network's inputs are in item order: all values of a tuple's first item, then those of the second. So a
batch takes k plain copies of bytes for each tuple, and one pass that makes floats of them. The thesis
flattens tuples row by row instead: digit j has some columns of each row. Initial weights are drawn, and
trained weights written, in that order; `item_order` translates.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.learning.product_cache import Table
from dfa_tune.problems.epoch_sample import EpochSample


def item_order(rows: int, columns: int, k: int) -> NDArray[np.int64]:
    """(k * rows * columns,): for each input in item order, its position row by row."""
    return np.arange(k * rows * columns).reshape(rows, k, columns).transpose(1, 0, 2).reshape(-1)


class Items:
    """Item arrays on the device; an array is copied there once, however often it is asked for."""

    def __init__(self, device: torch.device, most: int) -> None:
        self._device, self._most = device, most  # how many arrays are kept
        self._known: list[tuple[NDArray[Any], Tensor]] = []

    def tensor(self, items: NDArray[Any]) -> Tensor:
        """The items flattened, (M, rows * columns); on a CPU the array's own memory."""
        for known, tensor in self._known:
            if known is items:
                return tensor
        with warnings.catch_warnings():  # torch warns of read-only arrays; nothing here writes to them
            warnings.simplefilter("ignore", UserWarning)
            tensor = torch.from_numpy(items.reshape(len(items), -1)).to(self._device)
        if len(self._known) >= self._most:
            self._known.clear()
        self._known.append((items, tensor))
        return tensor


@dataclass(frozen=True)
class Batch:
    """A batch of every member, or one that all members share."""

    x: Tensor | None  # (P or 1, B, D), centred, not scaled; None where no inputs are needed
    chosen: list[Tensor]  # for each stream, the positions (B, k) of its tuples' items
    labels: Tensor  # (P or 1, B)


class Batches:
    """Gathers batches of samples, one sample for each stream. Both x and labels are in the weights' type.

    `stream_of`: the stream of each member. Where all members share one, x and labels have a leading 1.
    `inputs` false: no x is gathered. `at_once`: gather all streams in three operations, as is faster on a
    GPU; false: stream after stream, as is better for a CPU's cache; None: by the device.
    """

    def __init__(
        self,
        samples: Sequence[EpochSample],
        items: Items,
        stream_of: Sequence[int],
        size: int,
        centre: float,
        dtype: torch.dtype,
        device: torch.device,
        *,
        inputs: bool = True,
        at_once: bool | None = None,
    ) -> None:
        self.items = [items.tensor(sample.items) for sample in samples]
        self._indices = [
            torch.from_numpy(np.ascontiguousarray(sample.indices)).to(device) for sample in samples
        ]
        labels = np.stack([sample.labels for sample in samples])
        self._labels = torch.from_numpy(labels).to(device).to(dtype)
        self._centre = centre
        # Nothing is copied where each member has a stream of its own, or all share one
        in_order = len(samples) == 1 or list(stream_of) == list(range(len(samples)))
        self._spread = None if in_order else torch.tensor(stream_of, device=device)
        self.tables: list[Table] = []  # for each stream its frozen products, where they are known
        self.size = size
        k = samples[0].indices.shape[1]
        self._x = self._bytes = None
        if inputs:
            width = k * self.items[0].shape[1]
            self._x = torch.empty(len(samples), size, width, dtype=dtype, device=device)
            self._pool = self._pooled() if at_once or (at_once is None and device.type != "cpu") else None
            rows = size * k * (1 if self._pool is None else len(samples))
            self._bytes = self.items[0].new_empty(rows, self.items[0].shape[1])

    def get(self, part: slice) -> Batch:
        """The tuples of `part`; valid until the next call."""
        return self._batch([indices[part] for indices in self._indices], self._labels[:, part])

    def _batch(self, chosen: list[Tensor], labels: Tensor) -> Batch:
        """The members' batch, from the items (B, k) of each of S streams and their labels (S, B)."""
        x = None if self._x is None else self._gather(self._x[:, : labels.shape[1]], chosen)
        if self._spread is not None:
            labels = labels.index_select(0, self._spread)
            x = None if x is None else x.index_select(0, self._spread)
        return Batch(x, chosen, labels)

    def known(self, batch: Batch) -> Tensor | None:
        """The frozen products of a batch, (P or 1, B, H); None where there are no tables."""
        if not self.tables:
            return None
        sums = [table.sums(chosen) for table, chosen in zip(self.tables, batch.chosen, strict=True)]
        first = torch.stack(sums) if len(sums) > 1 else sums[0].unsqueeze(0)
        return first if self._spread is None else first.index_select(0, self._spread)

    def _pooled(self) -> tuple[Tensor, Tensor]:
        """The items of all streams in one array (M, D / k), and the first of each stream, (S, 1, 1)."""
        arrays: list[Tensor] = []
        for items in self.items:
            if not any(items is array for array in arrays):
                arrays.append(items)
        starts = [0, *accumulate(len(array) for array in arrays)]
        first = [starts[next(n for n, one in enumerate(arrays) if one is items)] for items in self.items]
        pool = arrays[0] if len(arrays) == 1 else torch.cat(arrays)
        return pool, torch.tensor(first, device=pool.device).view(-1, 1, 1)

    def _gather(self, x: Tensor, chosen: list[Tensor]) -> Tensor:
        assert self._bytes is not None
        if self._pool is not None:
            pool, starts = self._pool
            indices = (torch.stack(chosen) + starts).view(-1)
            gathered = torch.index_select(pool, 0, indices, out=self._bytes[: len(indices)])
            return x.copy_(gathered.view(x.shape)).sub_(self._centre)
        for items, indices, out in zip(self.items, chosen, x, strict=True):
            gathered = self._bytes[: indices.numel()]
            torch.index_select(items, 0, indices.reshape(-1), out=gathered)
            out.copy_(gathered.view(out.shape)).sub_(self._centre)
        return x


class FixedBatches(Batches):
    """Batches for a recorded step, which always reads the next one from the same memory.

    `begin`, a 0-dim integer on the device, is the first tuple of the next full batch.
    """

    def __init__(self, samples: Sequence[EpochSample], items: Items, *arguments: Any, **named: Any) -> None:
        super().__init__(samples, items, *arguments, **named)
        self._known_items = items
        self._stacked = torch.stack(self._indices)  # (S, N, k)
        self._indices = list(self._stacked)
        self.begin = torch.zeros((), dtype=torch.int64, device=self._stacked.device)
        self._places = torch.arange(self.size, device=self._stacked.device)

    def load(self, samples: Sequence[EpochSample]) -> bool:
        """Take the tuples of another epoch; False, and nothing is done, if their items are other arrays."""
        known = zip(samples, self.items, strict=True)
        if not all(self._known_items.tensor(sample.items) is items for sample, items in known):
            return False
        for sample, indices, labels in zip(samples, self._indices, self._labels, strict=True):
            indices.copy_(torch.from_numpy(np.ascontiguousarray(sample.indices)))
            labels.copy_(torch.from_numpy(sample.labels))
        return True

    def next(self) -> Batch:
        """The full batch at `begin`, which moves on; valid until the next call."""
        places = self._places + self.begin
        self.begin.add_(self.size)
        chosen = self._stacked.index_select(1, places)
        return self._batch(list(chosen), self._labels.index_select(1, places))

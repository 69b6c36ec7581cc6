"""Batches of a pack: the items of its tuples, which the first layer's sources make inputs of, and labels.

The network's inputs are in item order: all values of a tuple's first item, then those of the second. So a
dense batch takes k plain copies of bytes for each tuple, and one pass that makes floats of them. The thesis
flattens tuples row by row instead: digit j has some columns of each row. Initial weights are drawn, and
trained weights written, in that order; `item_order` translates.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfa_tune.learning.first_layer import Inputs, Source
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

    inputs: Inputs  # what the first layer sees, (P or 1, B, D)
    gate: Inputs  # what the first layer's gate sees: the same, if perhaps in another way
    labels: Tensor  # (P or 1, B)


def spread(stream_of: Sequence[int], streams: int, device: torch.device) -> Tensor | None:
    """The stream of each member, (P,); None where members need no copy of what streams have.

    That is where each of them has a stream of its own, or all share one.
    """
    in_order = streams == 1 or list(stream_of) == list(range(streams))
    return None if in_order else torch.tensor(stream_of, device=device)


class Batches:
    """Batches of samples, one sample for each stream. Labels are in the weights' type.

    `sources`: how the first layer's own inputs and its gate's are made, in this order; they may be one
    object. `members`: their streams, as `spread` gives them. Where all members share a stream, inputs and
    labels have a leading 1.
    """

    def __init__(
        self,
        samples: Sequence[EpochSample],
        items: Items,
        members: Tensor | None,
        size: int,
        sources: tuple[Source, Source],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.items = [items.tensor(sample.items) for sample in samples]
        self._indices = [
            torch.from_numpy(np.ascontiguousarray(sample.indices)).to(device) for sample in samples
        ]
        labels = np.stack([sample.labels for sample in samples])
        self._labels = torch.from_numpy(labels).to(device).to(dtype)
        self._members, self._sources, self.size = members, sources, size

    def get(self, part: slice) -> Batch:
        """The tuples of `part`; the inputs are valid until the next call."""
        return self._batch([indices[part] for indices in self._indices], self._labels[:, part])

    def _batch(self, chosen: list[Tensor], labels: Tensor) -> Batch:
        """The members' batch, from the items (B, k) of each of S streams and their labels (S, B)."""
        own, gate = self._sources
        inputs = own.inputs(chosen)
        if self._members is not None:
            labels = labels.index_select(0, self._members)
        return Batch(inputs, inputs if gate is own else gate.inputs(chosen), labels)


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
        """Take another epoch's tuples in place; False, and nothing is done, if the items are other arrays."""
        known = zip(samples, self.items, strict=True)
        if not all(self._known_items.tensor(sample.items) is items for sample, items in known):
            return False
        for sample, indices, labels in zip(samples, self._indices, self._labels, strict=True):
            indices.copy_(torch.from_numpy(np.ascontiguousarray(sample.indices)))
            labels.copy_(torch.from_numpy(sample.labels))
        return True

    def next(self) -> Batch:
        """The full batch at `begin`, which moves on; the inputs are valid until the next call."""
        places = self._places + self.begin
        self.begin.add_(self.size)
        chosen = self._stacked.index_select(1, places)
        return self._batch(list(chosen), self._labels.index_select(1, places))

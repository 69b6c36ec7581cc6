"""Batches of a pack: gathered from bytes into buffers that are used again, items side by side.

The network's inputs are ordered item by item, so that a batch is k plain copies of bytes a tuple and one
pass that makes numbers of them. Tuples as described in the thesis are flattened row by row: digit j owns
some columns of each row. `item_order` translates; initial weights are drawn, and trained weights
written, in the thesis' order.
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

from dfa_tune.learning.frozen import Table
from dfa_tune.problems.draw import Draw


def item_order(rows: int, columns: int, k: int) -> NDArray[np.int64]:
    """(k * rows * columns,): the row-by-row position of each input of the item-by-item order."""
    return np.arange(k * rows * columns).reshape(rows, k, columns).transpose(1, 0, 2).reshape(-1)


class Items:
    """Item arrays on the device, copied there once while they stay the same array."""

    def __init__(self, device: torch.device, most: int) -> None:
        self._device, self._most = device, most  # arrays kept: a training and a test one a stream
        self._known: list[tuple[NDArray[Any], Tensor]] = []

    def tensor(self, items: NDArray[Any]) -> Tensor:
        """The items flattened, (M, rows * columns); on a CPU the array's own memory."""
        for known, tensor in self._known:
            if known is items:
                return tensor
        with warnings.catch_warnings():  # of arrays over read-only memory; nothing here writes to them
            warnings.simplefilter("ignore", UserWarning)
            tensor = torch.from_numpy(items.reshape(len(items), -1)).to(self._device)
        if len(self._known) >= self._most:
            self._known.clear()
        self._known.append((items, tensor))
        return tensor


@dataclass(frozen=True)
class Batch:
    """Tuples of every stream, or of every member."""

    x: Tensor | None  # (P or 1, B, D), centred, not scaled; None where `inputs` is not wanted
    chosen: list[Tensor]  # a stream's items, (B, k) each
    labels: Tensor  # (P or 1, B)


class Batches:
    """Gathers batches of draws, one draw a stream; both x and labels in the weights' type.

    `stream_of`: each member's stream. Where all members share one, x and labels have a leading 1.
    """

    def __init__(
        self,
        draws: Sequence[Draw],
        items: Items,
        stream_of: Sequence[int],
        size: int,
        centre: float,
        dtype: torch.dtype,
        device: torch.device,
        *,
        inputs: bool = True,
    ) -> None:
        self.items = [items.tensor(draw.items) for draw in draws]
        self._indices = [torch.from_numpy(np.ascontiguousarray(draw.indices)).to(device) for draw in draws]
        labels = np.stack([draw.labels for draw in draws])
        self._labels = torch.from_numpy(labels).to(device).to(dtype)
        self._centre = centre
        # Where every member has a stream of its own, or all have one, nothing is copied
        in_order = len(draws) == 1 or list(stream_of) == list(range(len(draws)))
        self._spread = None if in_order else list(stream_of)
        self.tables: list[Table] = []  # a stream's frozen products, where they are known
        k = draws[0].indices.shape[1]
        self._x = self._bytes = None
        if inputs:
            width = k * self.items[0].shape[1]
            self._x = torch.empty(len(draws), size, width, dtype=dtype, device=device)
            self._bytes = self.items[0].new_empty(size * k, self.items[0].shape[1])

    def get(self, part: slice) -> Batch:
        """The tuples of `part`; valid until the next call."""
        labels = self._labels[:, part]
        chosen = [indices[part] for indices in self._indices]
        x = None if self._x is None else self._gather(self._x[:, : labels.shape[1]], chosen)
        if self._spread is not None:
            labels, x = labels[self._spread], None if x is None else x[self._spread]
        return Batch(x, chosen, labels)

    def known(self, batch: Batch) -> Tensor | None:
        """The frozen products of a batch, (P or 1, B, H)."""
        if not self.tables:
            return None
        sums = [table.sums(chosen) for table, chosen in zip(self.tables, batch.chosen, strict=True)]
        first = torch.stack(sums) if len(sums) > 1 else sums[0].unsqueeze(0)
        return first if self._spread is None else first[self._spread]

    def _gather(self, x: Tensor, chosen: list[Tensor]) -> Tensor:
        assert self._bytes is not None
        for items, indices, out in zip(self.items, chosen, x, strict=True):
            gathered = self._bytes[: indices.numel()]
            torch.index_select(items, 0, indices.reshape(-1), out=gathered)
            out.copy_(gathered.view(out.shape)).sub_(self._centre)
        return x

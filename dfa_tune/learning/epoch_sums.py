"""The metrics of an epoch's tuples, summed while it is trained or tested."""

from __future__ import annotations

import torch
from torch import Tensor

from dfa_tune.learning.losses import Loss, correct, one_hot
from dfa_tune.learning.sums import of_tuples

HELD = 2**16  # numbers among the logits, of all members, that are kept until they are summed


class Sums:
    """Sums over an epoch's tuples so far, for each of P members: of the losses, and of the right answers.

    On a CPU, batches are kept until there are enough of them: a dozen operations after every step, on a few
    hundred numbers, took a fifth of an epoch of frozen features. Sums are taken in the same order, and have
    the same bits, however many are kept.
    """

    def __init__(self, loss: Loss, members: int, device: torch.device) -> None:
        self._value = loss.value
        self._loss, self._correct = (
            torch.zeros(members, dtype=torch.float64, device=device) for _ in range(2)
        )
        self._held: list[tuple[Tensor, Tensor]] = []
        self._most = HELD if device.type == "cpu" else 0  # on a GPU, what a step does is recorded

    @property
    def loss(self) -> Tensor:
        """The sums of the losses, (P,) in float64; always the same tensor."""
        self._add_held()
        return self._loss

    @property
    def correct(self) -> Tensor:
        """How many answers were right, (P,) in float64; always the same tensor."""
        self._add_held()
        return self._correct

    def clear(self) -> Sums:
        """Reset to zero, in place."""
        self._held.clear()
        self._loss.zero_()
        self._correct.zero_()
        return self

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: its logits (P, B, C) and labels (P or 1, B).

        Neither may be changed before the sums are read or cleared.
        """
        if self._held and self._held[0][0].shape != logits.shape:
            self._add_held()
        self._held.append((logits, labels))
        if len(self._held) * logits.numel() >= self._most:
            self._add_held()

    def _add_held(self) -> None:
        """Add what is held, batch by batch."""
        if not self._held:
            return
        held, self._held = self._held, []
        logits, labels = (
            parts[0] if len(parts) == 1 else torch.cat(parts, 1) for parts in zip(*held, strict=True)
        )
        losses = self._value(logits, one_hot(labels, logits.shape[2]))
        for one in of_tuples(losses.view(len(losses), len(held), -1)).unbind(1):
            self._loss += one
        self._correct += correct(logits, labels).sum(1)

"""What is measured at an evaluated epoch, and how it becomes rows. Does not import torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

ALIGNMENTS = ("feedback_alignment", "gradient_alignment", "gradient_alignment_rows", "step_alignment")
METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", *ALIGNMENTS)
# Lists with one number for each hidden layer, the first one first
BY_LAYER = ("feedback_alignment_by_layer", "gradient_alignment_by_layer", "gradient_norm_ratio_by_layer")


def metric_rows(
    values: Mapping[str, Sequence[Any]], diverged: list[bool], epoch: int, seconds: float
) -> list[dict[str, Any]]:
    """The rows of an epoch, one for each member; `values` has a number, or a list of them, for each member.

    A row holds `member` (its position in the pack), `epoch`, the METRICS, BY_LAYER, `diverged` and `seconds`.
    What does not apply is None, and so is a layer's number that is not finite. From the first epoch with a
    metric that is not finite, a member counts as diverged and all that is measured is None. `diverged`, one
    for each member, is updated in place.
    """
    rows = []
    for member in range(len(diverged)):
        found = {name: values[name][member] if name in values else None for name in METRICS}
        # Logits that are not numbers still score some accuracy, so the losses have to tell
        if not all(math.isfinite(value) for value in found.values() if value is not None):
            diverged[member] = True
        by_layer = {name: _finite(values[name][member]) if name in values else None for name in BY_LAYER}
        if diverged[member]:
            found, by_layer = dict.fromkeys(METRICS), dict.fromkeys(BY_LAYER)
        rows.append(
            {
                "member": member,
                "epoch": epoch,
                **found,
                **by_layer,
                "diverged": diverged[member],
                "seconds": seconds,
            }
        )
    return rows


def _finite(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]

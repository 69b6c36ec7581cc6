"""What is measured at an evaluated epoch, and how it becomes rows. Does not import torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

ALIGNMENTS = ("feedback_alignment", "gradient_alignment", "gradient_alignment_rows", "step_alignment")
METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", *ALIGNMENTS)


def metric_rows(
    values: Mapping[str, Sequence[float]], diverged: list[bool], epoch: int, seconds: float
) -> list[dict[str, Any]]:
    """The rows of an epoch, one for each member; `values` has a number for each member.

    A row holds `member` (its position in the pack), `epoch`, the METRICS, `diverged` and `seconds`. A metric
    that does not apply is None. From the first epoch with a metric that is not finite, a member counts as
    diverged and all its metrics are None. `diverged`, one for each member, is updated in place.
    """
    rows = []
    for member in range(len(diverged)):
        found = {name: values[name][member] if name in values else None for name in METRICS}
        # Logits that are not numbers still score some accuracy, so the losses have to tell
        if not all(math.isfinite(value) for value in found.values() if value is not None):
            diverged[member] = True
        if diverged[member]:
            found = dict.fromkeys(METRICS)
        rows.append(
            {"member": member, "epoch": epoch, **found, "diverged": diverged[member], "seconds": seconds}
        )
    return rows

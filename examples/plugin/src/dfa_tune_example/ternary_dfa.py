"""Direct feedback alignment whose error is sent as -1, 0 or 1 (Launay et al. 2020).

An optical random projection can only display such values. An entry of the error that is below a threshold is
sent as 0. The output layer keeps its own gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfa_tune.learning.rules import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from dfa_tune.learning.backward import Context

THRESHOLD = 0.1  # of the error of one tuple, which lies between -1 and 1


def signal(context: Context) -> Tensor:
    """sign(e) [|e| > THRESHOLD] / B for the error e of each tuple and output, (P, B, C)."""
    error = context.error * context.batch  # the mean over the batch is in it
    return error.sign() * (error.abs() > THRESHOLD) / context.batch


RULE = Rule(
    uses_feedback=True,
    direct=True,
    transport=lambda weight, feedback: feedback,
    signal=signal,
)

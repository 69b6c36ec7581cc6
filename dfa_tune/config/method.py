"""A method, and the names that a search space has for its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFAULT_FEEDBACK = "uniform"

Split = Literal["test", "validation"]


@dataclass(frozen=True, kw_only=True)
class Method:
    """What is compared: one line of a figure's legend. `feedback` is None where the rule uses none."""

    rule: str
    optimizer: str
    feedback: str | None

    @property
    def name(self) -> str:
        """ "dfa-rmsprop", or with a feedback other than the default "dfa-sgd-standard_gaussian"."""
        parts = [self.rule, self.optimizer]
        if self.feedback not in (None, DEFAULT_FEEDBACK):
            parts.append(str(self.feedback))
        return "-".join(parts)

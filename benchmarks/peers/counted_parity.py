"""The problem `counted_parity`: parity, whose tests are counted in the file that COUNTED_TESTS names.

A plugin, by which the benchmark sees how many epochs a sweep trains; packs of one trial draw one test each.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal

from dfa_tune.problems.epoch_sample import EpochSample
from dfa_tune.problems.kinds import parity


class Settings(parity.Settings):
    """As of parity."""

    kind: Literal["counted_parity"] = "counted_parity"  # type: ignore[assignment]


class Problem(parity.Problem):
    """As parity."""

    Settings: ClassVar = Settings  # type: ignore[assignment]

    def test(self, seed: int, epoch: int) -> EpochSample:
        """The same tuples, and a line in the file."""
        with Path(os.environ["COUNTED_TESTS"]).open("a") as log:
            log.write(f"{seed} {epoch}\n")
        return super().test(seed, epoch)

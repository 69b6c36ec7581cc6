"""A sweep of trainings that take their time without using it, so that there is some to interrupt them.

PYTHONPATH=tests/faults python -m paced SPACE RESULTS PACK
"""

from __future__ import annotations

import sys
import time
from typing import Any

from dfa_tune.errors import UserError
from dfa_tune.orchestration.driver.runner import Resources, _run_sweep
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.pack_run import start_training

BATCHES = 160  # each time that the worker asks for some seconds of training


class Paced:
    """The real training, which sleeps for the rest of the time that it was given."""

    def __init__(self, training: Any) -> None:
        self._training = training

    def __getattr__(self, name: str) -> Any:
        return getattr(self._training, name)

    def advance(self, seconds: float, until: int | None = None) -> list[dict[str, Any]]:
        """Some batches, however fast or busy this machine is."""
        end, goal = time.monotonic() + seconds, self._training.steps + BATCHES
        last, rows = until or self._training.training.epochs, []
        while self._training.steps < goal and self._training.epochs_ended < last:
            rows += self._training.advance(0.001, until)
        time.sleep(max(0.0, end - time.monotonic()))
        return rows


def start(pack: Pack, data: str | None, threads: int) -> Paced:
    """In place of `start_training`."""
    return Paced(start_training(pack, data, threads))


if __name__ == "__main__":
    try:
        outcome = _run_sweep(
            sys.argv[1], sys.argv[2], trainer="paced:start", resources=Resources(pack=int(sys.argv[3]))
        )
    except UserError as error:  # as the command line does
        sys.exit(f"dfa-tune: {error}")
    sys.exit(bool(outcome.failed))

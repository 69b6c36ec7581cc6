"""What Tune asks at each report and failure of a worker, on its way to the searcher."""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from dfa_tune.orchestration.driver.searcher import TuneThenRepeat


class PackScheduler(FIFOScheduler):
    """Packs in the order in which they come; stops those that the searcher wants back.

    Tells the searcher what a worker that failed said last, before it hears of the failure: a ResultGrid does
    not tell which pack a worker had that died before its first report.
    """

    def __init__(self, searcher: TuneThenRepeat) -> None:
        super().__init__()
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Whether the worker goes on."""
        stop = self._searcher.gives_up(trial.trial_id)
        decision: str = TrialScheduler.STOP if stop else TrialScheduler.CONTINUE
        return decision

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """A worker died, or its training raised an error."""
        lines = str(trial.get_error() or "").strip().splitlines()
        self._searcher.said[trial.trial_id] = lines[-1] if lines else "its worker died"

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Tune pickles its scheduler for a snapshot that is never read."""
        return {}

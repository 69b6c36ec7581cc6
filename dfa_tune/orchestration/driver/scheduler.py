"""What Ray Tune asks at each report and each failure of a worker, on its way to the searcher."""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from dfa_tune.orchestration.driver.searcher import TuneThenRepeat


class PackScheduler(FIFOScheduler):
    """Packs in the order in which they come; stops those that the searcher recalls.

    It also tells the searcher why a worker failed, which Tune does not tell a searcher.
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
        """A worker died or raised an error; `on_trial_complete` of the searcher follows."""
        lines = str(trial.get_error() or "").strip().splitlines()
        self._searcher.worker_failed(trial.trial_id, lines[-1] if lines else "its worker died")

    def __getstate__(self) -> dict[str, Any]:
        """Empty, so that Tune pickles nothing of ours for its snapshots, which are never read."""
        return {}

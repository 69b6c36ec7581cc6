"""Tells `Progress` of Tune's trials."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback

from dfa_tune.orchestration.driver.progress import Progress


class Forward(Callback):
    """A Tune callback."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Tune pickles its callbacks for a snapshot that is never read."""
        return {}

    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        """Several times a second."""
        self._progress.look()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A worker has taken the pack."""
        self._progress.begun(trial.trial_id)

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        """A worker reports."""
        self._progress.trained(trial.trial_id, result["progress"], result["pack_trials"])

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A pack is done."""
        self._progress.ended(trial.trial_id)

    on_trial_error = on_trial_complete

"""What Ray Tune asks at each report and each failure of a worker, on its way to the searcher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from dfa_tune.orchestration.driver.searcher import TuneThenRepeat
from dfa_tune.orchestration.ray_internals import kill_worker
from dfa_tune.orchestration.worker.errors import WorkerError


class PackScheduler(FIFOScheduler):
    """Packs in the order in which they come; stops those that the searcher recalls.

    It also does what Tune lets no searcher do: it finds out why a worker failed, and replaces workers that
    have stopped without ending.
    """

    def __init__(self, searcher: TuneThenRepeat) -> None:
        super().__init__()
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Whether the worker goes on."""
        stop = self._searcher.gives_up(trial.trial_id)
        decision: str = TrialScheduler.STOP if stop else TrialScheduler.CONTINUE
        return decision

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """As always. Tune asks this several times a second, whatever happens."""

        def training() -> list[str]:
            return [
                trial.trial_id for trial in tune_controller.get_live_trials() if trial.status == "RUNNING"
            ]

        if stopped := self._searcher.stopped_workers(training):
            for trial in list(tune_controller.get_live_trials()):
                if trial.trial_id in stopped:
                    kill_worker(trial)
        return super().choose_trial_to_run(tune_controller)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """A worker died or could not start; `on_trial_complete` of the searcher follows.

        The error is only in a file: `trial.get_error` looks where that file is copied to later.
        """
        file = Path(trial.error_file) if trial.error_file else None
        text = file.read_text(errors="replace") if file is not None and file.is_file() else ""
        self._searcher.worker_failed(trial.trial_id, WorkerError.from_ray(text))

    def __getstate__(self) -> dict[str, Any]:
        """Empty, so that Tune pickles nothing of ours for its snapshots, which are never read."""
        return {}

"""*Plain Ray Tune*: a sweep as in Ray Tune's own examples, with our training inside.

One Tune trial per configuration, a class Trainable, default loggers, no actor reuse. All learning rates come
first, then the repetitions at the best ones. The training is ours, so that only orchestration differs.

    python -m benchmarks.plain_tune SPACE RESULTS
"""

from __future__ import annotations

import sys
from typing import Any

import ray
from ray import tune

from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.pack_run import start_training
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.trial import Trial
from dfa_tune.problems.datasets import content_digest


class OneTrial(tune.Trainable):
    """A trial whose steps are epochs."""

    def setup(self, config: dict[str, Any]) -> None:
        """Start the training."""
        self.training = start_training(Pack((Trial.from_json(config["trial"]),)), None, 1)

    def step(self) -> dict[str, Any]:
        """Train one epoch; its row is the result."""
        (row,) = self.training.run_epoch()
        return {**row, "done": self.training.finished}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Empty: Tune asks for a checkpoint at the end of a trial."""


def fit(trials: list[Trial], folder: str, name: str) -> dict[str, float]:
    """The final test accuracy of each trial, by id."""
    tuner = tune.Tuner(
        tune.with_resources(OneTrial, {"cpu": 1}),
        param_space={"trial": tune.grid_search([trial.to_json() for trial in trials])},
        run_config=tune.RunConfig(name=name, storage_path=folder, verbose=0),
    )
    grid = tuner.fit()
    assert not grid.num_errors
    scores = {}
    for index in range(len(grid)):
        config, metrics = grid[index].config, grid[index].metrics
        assert config is not None
        assert metrics is not None
        scores[Trial.from_json(config["trial"]).id] = float(metrics["test_accuracy"])
    return scores


def main() -> None:
    """Run all learning rates, then the repetitions."""
    space, folder = sys.argv[1:]
    plan = Plan(load_sweep(space), content_digest("digits"))
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    scores = fit([trial for cell in plan.cells for trial in cell.tune_trials], folder, "tune")
    repeats = [trial for cell in plan.cells for trial in cell.repeat_trials(scores) or []]
    fit(repeats, folder, "repeat")
    print(len(scores) + len(repeats))


if __name__ == "__main__":
    main()

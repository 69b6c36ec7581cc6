"""The tasks as a user of Ray Tune writes them.

python -m benchmarks.peers.with_ray_tune TASK LOADER FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ray
from ray import tune

from benchmarks.peers.loop import METHODS, RATES, SEEDS, best_rates, train


def complete(grid: Any) -> Any:
    """The same results, if no trial failed: Ray Tune itself goes on without those that did."""
    if grid.num_errors:
        raise SystemExit(f"{grid.num_errors} trials failed: {grid.errors[0]}")
    return grid


def main() -> None:
    """All learning rates, then the repetitions; an interrupted experiment is restored."""
    task, loader, folder = sys.argv[1:]

    def trainable(config: dict[str, Any]) -> None:
        method, rate = config["choice"]
        train(
            task, loader, folder, method, rate, config["seed"], lambda score: tune.report({"accuracy": score})
        )

    def fit(name: str, choices: list[tuple[str, float]], seeds: tuple[int, ...]) -> Any:
        path = f"{folder}/{name}"
        resources = tune.with_resources(trainable, {"cpu": 1})
        if Path(path).exists() and tune.Tuner.can_restore(path):
            return complete(tune.Tuner.restore(path, resources, restart_errored=True).fit())
        space = {"choice": tune.grid_search(choices), "seed": tune.grid_search(list(seeds))}
        run = tune.RunConfig(name=name, storage_path=folder, verbose=0)
        return complete(tune.Tuner(resources, param_space=space, run_config=run).fit())

    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    grid = fit("tune", [(method, rate) for method in METHODS for rate in RATES[task]], (0,))
    scores = {}
    for result in grid:
        method, rate = result.config["choice"]
        scores[method, rate] = float(result.metrics_dataframe["accuracy"].mean())
    print(len(grid) + len(fit("repeat", list(best_rates(scores).items()), SEEDS)))


if __name__ == "__main__":
    main()

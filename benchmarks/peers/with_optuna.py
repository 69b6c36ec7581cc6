"""The tasks as a user of Optuna writes them, with a process for each core and a journal on disk.

python -m benchmarks.peers.with_optuna TASK LOADER FOLDER
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from benchmarks.peers.loop import METHODS, RATES, SEEDS, best_rates, train


def open_study(folder: str) -> optuna.Study:
    """The study, from its journal if there is one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(f"{folder}/journal.log"))
    return optuna.create_study(study_name="peers", storage=storage, load_if_exists=True)


def work(task: str, loader: str, folder: str, trials: int) -> None:
    """One process: train so many of the trials that wait."""

    def objective(trial: optuna.Trial) -> float:
        method = trial.suggest_categorical("method", METHODS)
        rate = trial.suggest_float("rate", 1e-5, 10)
        seed = trial.suggest_int("seed", 0, 3)
        scores: list[float] = []
        return train(task, loader, folder, method, rate, seed, scores.append)

    open_study(folder).optimize(objective, n_trials=trials)


def run(task: str, loader: str, folder: str, wanted: list[dict[str, Any]]) -> list[optuna.trial.FrozenTrial]:
    """Train those that are not complete yet, and give all that are."""
    study, cores = open_study(folder), len(os.sched_getaffinity(0))
    known = [trial.params for trial in study.get_trials(states=(TrialState.COMPLETE,))]
    missing = [params for params in wanted if params not in known]
    waiting = [trial.system_attrs["fixed_params"] for trial in study.get_trials(states=(TrialState.WAITING,))]
    for params in missing:
        if params not in waiting:
            study.enqueue_trial(params)
    shares = [len(missing[n::cores]) for n in range(cores)]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=(task, loader, folder, share)) for share in shares]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return study.get_trials(states=(TrialState.COMPLETE,))


def main() -> None:
    """All learning rates, then the repetitions; what an earlier run completed is kept."""
    task, loader, folder = sys.argv[1:]
    rates = [{"method": method, "rate": rate, "seed": 0} for method in METHODS for rate in RATES[task]]
    found = [trial for trial in run(task, loader, folder, rates) if trial.params["seed"] == 0]
    scores = {(trial.params["method"], trial.params["rate"]): float(trial.values[0]) for trial in found}
    repeats = [
        {"method": method, "rate": rate, "seed": seed}
        for method, rate in best_rates(scores).items()
        for seed in SEEDS
    ]
    print(len(run(task, loader, folder, repeats)))


if __name__ == "__main__":
    main()

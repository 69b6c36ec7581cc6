"""Whether tuning with less finds as good settings: halving, random settings and TPE against a grid.

    uv run python -m benchmarks tuning            # the embedded digits; ten minutes on one core

Every case is a method on a problem with a tuning seed of its own: parity of two digits and ten classes, BP
and DFA, 20 seeds. A setting is judged by its final accuracy over fresh seeds, the same for all settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
import yaml

from benchmarks.figures import Figure
from benchmarks.options import Options
from dfa_tune.analysis.statistics import t_interval
from dfa_tune.orchestration.packs.pack import Pack, pack_kind
from dfa_tune.orchestration.worker.pack_run import start_training
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.scores import final, known_scores
from dfa_tune.planning.sweep import parse_sweep, repetition_seeds
from dfa_tune.planning.trial import Trial
from dfa_tune.problems.datasets import content_digest

SEEDS, REPEATS, POINTS = 20, 5, 10
PACK = 60  # trials trained together
HALF_A_POINT = 0.005
FRESH = repetition_seeds(0, REPEATS)  # on which all choices are judged
PROBLEMS: dict[str, dict[str, Any]] = {
    "parity": {"kind": "parity", "dataset": "digits", "k": 2, "train_samples": 3000, "test_samples": 1000},
    "ten classes": {"kind": "classification", "dataset": "digits"},
}
SPACE: dict[str, Any] = {
    "name": "tuning",
    "network": {"hidden": 64},
    "training": {"epochs": 20, "batch_size": 64, "device": "cpu"},
    "methods": [{"rule": ["bp", "dfa"], "optimizer": "sgd"}],
    "learning_rates": {"sgd": {"low": 3.0e-3, "high": 3.0, "points": POINTS}},
    "repetitions": 1,
}


TUNINGS: dict[str, dict[str, Any]] = {
    "grid": {},
    "halving after epochs 3 and 7": {"stop": {"after": [3, 7], "keep": 0.5}},
    "halving after epochs 2, 4 and 8": {"stop": {"after": [2, 4, 8], "keep": 0.5}},
    "random": {"sampler": "random", "trials": POINTS},
    "tpe": {"sampler": "tpe", "trials": POINTS},
}


def measure(options: Options) -> list[Figure]:
    """How often halving chooses as well as the grid and what it saves; samplers against the grid."""
    torch.set_num_threads(options.threads)
    seeds = range(1, 1 + (2 if options.quick else SEEDS))
    found = pd.concat([_tuned(name, seeds) for name in PROBLEMS], ignore_index=True)
    figures = []
    for tuning in TUNINGS:
        if tuning.startswith("halving"):
            figures += _halving(found, tuning)
        elif tuning != "grid":
            figures.append(_sampler(found, tuning))
    return figures


def _halving(found: pd.DataFrame, tuning: str) -> list[Figure]:
    lost = found["grid accuracy"] - found[f"{tuning} accuracy"]
    near = lost <= HALF_A_POINT
    saved = 1 - found[f"{tuning} epochs"] / found["grid epochs"]
    parts = {
        str(name): float(part.mean()) for name, part in near.groupby(found["problem"] + " " + found["method"])
    }
    return [
        Figure(
            group="8 tuning",
            name=f"{tuning}: tunings whose choice is within half a point of the grid's",
            value=float(near.mean()),
            unit="",
            target=(0.9, 0.97),
            at_least=True,
            repeats=len(near),
            measured=parts | {"mean loss of accuracy": float(lost.mean()), "largest loss": float(lost.max())},
            note="measured: the share by problem and method; accuracies lost, as fractions",
        ),
        Figure(
            group="8 tuning",
            name=f"{tuning}: epochs of tuning saved",
            value=float(saved.mean()),
            unit="",
            target=(0.4, 0.6),
            at_least=True,
            repeats=len(near),
        ),
    ]


def _sampler(found: pd.DataFrame, tuning: str) -> Figure:
    """The mean paired difference, with its 95% interval (Student's t over the tunings)."""
    difference = (found[f"{tuning} accuracy"] - found["grid accuracy"]).to_numpy()
    interval = t_interval(difference)
    return Figure(
        group="8 tuning",
        name=f"{POINTS} settings by {tuning} minus a grid of {POINTS} rates: final accuracy",
        value=interval.mean,
        unit="",
        low=interval.low,
        high=interval.high,
        repeats=len(difference),
        measured={"difference": interval.mean},
    )


def _tuned(problem: str, seeds: Iterable[int]) -> pd.DataFrame:
    """A row for each method and seed: the accuracy that each tuning's choice has, and the epochs it took."""
    results, rows = Results(), dict[tuple[str, int], dict[str, Any]]()
    for name, tuning in TUNINGS.items():
        plans = {seed: _plan(problem, seed, tuning) for seed in seeds}
        scores = results.tune(plans)
        chosen = {
            (cell.method.name, seed): [
                replace((cell.repeat_trials(scores[seed]) or [])[0], seed=one) for one in FRESH
            ]
            for seed, plan in plans.items()
            for cell in plan.cells
        }
        results.train(trial for trials in chosen.values() for trial in trials)
        for seed, plan in plans.items():
            for cell in plan.cells:
                key = cell.method.name, seed
                row = rows.setdefault(key, {"problem": problem, "method": key[0], "seed": seed})
                row[f"{name} accuracy"] = results.accuracy(chosen[key])
                row[f"{name} epochs"] = cell.budget(scores[seed]).epochs
    return pd.DataFrame(rows.values())


def _plan(problem: str, seed: int, tuning: dict[str, Any]) -> Plan:
    content = SPACE | {"problem": PROBLEMS[problem], "seed": seed, "tuning": tuning}
    return Plan(parse_sweep(yaml.safe_dump(content), "benchmarks/tuning.py"), content_digest("digits"))


class Results:
    """The rows of what has been trained; each trial is trained once, to its last epoch."""

    def __init__(self) -> None:
        self._rows: dict[str, pd.DataFrame] = {}

    def tune(self, plans: Mapping[int, Plan]) -> dict[int, dict[str, float]]:
        """The scores of each plan when its tunings have ended."""
        scores: dict[int, dict[str, float]] = {seed: {} for seed in plans}
        due: dict[int, list[Trial]] = {}
        while True:
            known = sum(map(len, due.values()))
            for seed, plan in plans.items():
                due[seed] = [trial for cell in plan.cells for trial in cell.tuning_due(scores[seed])]
            if sum(map(len, due.values())) == known and all(
                cell.choice(scores[seed]) for seed, plan in plans.items() for cell in plan.cells
            ):
                return scores
            self.train(trial for trials in due.values() for trial in trials)
            scores = {seed: self._scores(due[seed], plan) for seed, plan in plans.items()}

    def train(self, trials: Iterable[Trial]) -> None:
        """Train what is not there, in packs."""
        kinds: dict[str, list[Trial]] = {}
        for trial in {trial.id: replace(trial, stage="tune", until=None) for trial in trials}.values():
            if trial.id not in self._rows:
                kinds.setdefault(pack_kind(trial), []).append(trial)
        for group in kinds.values():
            for begin in range(0, len(group), PACK):
                self._pack(Pack(tuple(group[begin : begin + PACK])))

    def accuracy(self, trials: Iterable[Trial]) -> float:
        """The mean final accuracy of these trials."""
        return float(final(pd.concat([self._rows[trial.id] for trial in trials])).mean())

    def _pack(self, pack: Pack) -> None:
        training = start_training(pack, None, torch.get_num_threads())
        rows = pd.DataFrame(training.advance(float("inf")))
        for member, trial in enumerate(pack.trials):
            own = rows.loc[rows["member"] == member, ["epoch", "test_accuracy"]]
            diverged = training.diverged[member]
            self._rows[trial.id] = own.assign(trial_id=trial.id, diverged=diverged, stopped=False)

    def _scores(self, trials: Iterable[Trial], plan: Plan) -> dict[str, float]:
        """What the plan's tunings may know of these trials."""
        tuning = plan.sweep.tuning
        rows = pd.concat([self._rows[trial.id] for trial in trials])
        return known_scores(rows, tuning.metric, tuning.window, tuning.rungs)

"""What a figure's caption says of its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dfa_tune.analysis.explosions import explosions
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.problems.settings import ProblemSettings


def caption(results: SweepResults) -> str:
    """The number of repetitions, the kind of interval, the data set, the weight decay and the precision."""
    known = results.scores
    planned = [[trial.id for trial in cell.repeat_trials(known) or []] for cell in results.plan.cells]
    repetitions = [sum(trial_id in known for trial_id in ids) for ids in planned]
    diverged = results.finals.loc[results.finals["diverged"].astype(bool), "trial_id"].nunique()
    counted = f" Repetitions that diverged ({diverged}) count with their last accuracy." if diverged else ""
    if exploded := explosions(results):
        counted += f" Diverged, or fell back towards chance: {'; '.join(map(str, exploded))}."
    return f"{_intervals(repetitions)}{counted} {about_data(results)}"


def about_data(results: SweepResults) -> str:
    """The data set, the weight decay, and the precision of matrix products if it is not the default."""
    trials = results.plan.due(results.scores)
    data = _listed(trial.problem.dataset or _generated(trial.problem) for trial in trials)
    decay = _listed(f"{trial.training.weight_decay:g}" for trial in trials)
    precision = _listed(trial.training.precision for trial in trials)
    products = "" if precision == "float32" else f"; matrix products in {precision}"
    return f"Data: {data}; weight decay {decay}{products}."


def _intervals(repetitions: Sequence[int]) -> str:
    low, high = min(repetitions, default=0), max(repetitions, default=0)
    if high == 0:
        return "No repetition is finished."
    n = f"n = {high}" if low == high else f"n = {low} to {high}"
    if high == 1:
        return f"{n} repetition: no interval."
    return f"{n} repetitions: mean and 95% interval (Student's t), cut at 0 and 1."


def _listed(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _generated(problem: ProblemSettings) -> str:
    if problem.kind == "clusters":
        return f"{problem.clusters} x {problem.clusters} clusters"
    return str(problem.kind)

"""Which trials to run next: first one trial per learning rate, then repetitions at the chosen rate.

Pure functions of a sweep and the scores known so far: nothing here trains, waits or reads files. Runs use
them to find the next trials, readers to find which results belong to a search space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dfa_tune.config.method import Method
from dfa_tune.config.schema import round_rate
from dfa_tune.planning.trial import Trial
from dfa_tune.registry import RULES

if TYPE_CHECKING:
    from dfa_tune.planning.sweep import Point, Sweep  # which plans a space to check its claims

Scores = Mapping[str, float]
Digests = str | None | Mapping[str, str | None]


@dataclass(frozen=True)
class Choice:
    """The learning rate that was chosen, and its score; None where the rate was given, not tuned.

    `at_edge`: it is the lowest or highest rate tried, so a better one may lie outside the range. Where all
    rates diverged, the score is NaN and the rate is the lowest. `by_seed`: the score of each tuning seed.
    """

    learning_rate: float
    score: float | None
    at_edge: bool
    by_seed: tuple[float, ...] = ()


class Tuning:
    """The search for the learning rate of a method at a point; several cells may use its result.

    Each rate is tried with every one of the `seeds`, and its score is their mean. A seed that diverged counts
    as it is: the score is then NaN, and the rate does not win.
    """

    def __init__(
        self, base: Trial, rates: Sequence[float], seeds: Sequence[int], refine: int, lower_is_better: bool
    ) -> None:
        self._base, self._rates, self._seeds = base, list(rates), seeds
        self.trials = self._at(rates)
        self._refine = refine
        self._sign = -1.0 if lower_is_better else 1.0
        self._refined: dict[float, list[Trial]] = {}

    def refine_trials(self, scores: Scores) -> list[Trial] | None:
        """The second round, between the neighbours of the best rate; None until the first is scored."""
        best = self._best(self.trials, scores)
        if best is None:
            return None
        rate = best[0]
        if rate not in self._refined:
            self._refined[rate] = self._at(between(self._rates, rate, self._refine))
        return self._refined[rate]

    def choice(self, scores: Scores) -> Choice | None:
        """The best rate of both rounds; None until all of their scores are known."""
        refined = self.refine_trials(scores)
        if refined is None:
            return None
        tried = [*self.trials, *refined]
        best = self._best(tried, scores)
        if best is None:
            return None
        rate, score = best
        rates = [trial.learning_rate for trial in tried]
        by_seed = tuple(scores[trial.id] for trial in tried if trial.learning_rate == rate)
        return Choice(rate, score, rate in (min(rates), max(rates)), by_seed)

    def best_so_far(self, scores: Scores) -> Choice | None:
        """The best of the rates whose scores are known; None before the first score that is a number."""
        due = self.due(scores)
        unknown = {trial.learning_rate for trial in due if math.isnan(scores.get(trial.id, math.nan))}
        known = [trial for trial in due if trial.learning_rate not in unknown]
        best = self._best(known, scores) if known else None
        return None if best is None else Choice(*best, at_edge=False)

    def due(self, scores: Scores) -> list[Trial]:
        """The trials of the first round, and of the second once it is known."""
        return self.trials + (self.refine_trials(scores) or [])

    def _best(self, trials: list[Trial], scores: Scores) -> tuple[float, float] | None:
        """The best learning rate and its score: the lower rate of two equals, the lowest if all are NaN.

        None until all scores are known.
        """
        by_rate: dict[float, list[float]] = {}
        for trial in sorted(trials, key=lambda trial: trial.learning_rate):
            if (value := scores.get(trial.id)) is None:
                return None
            by_rate.setdefault(trial.learning_rate, []).append(value)
        means = {rate: sum(values) / len(values) for rate, values in by_rate.items()}
        signed = {rate: -math.inf if math.isnan(mean) else self._sign * mean for rate, mean in means.items()}
        best = max(signed, key=lambda rate: signed[rate])  # of equals the first
        return best, means[best]

    def _at(self, rates: Sequence[float]) -> list[Trial]:
        """A trial for each rate and seed, by ascending rate."""
        return [replace(self._base, learning_rate=rate, seed=seed) for rate in rates for seed in self._seeds]


class Cell:
    """One method at one point of the axes: its tuning and its repetitions.

    `axes` maps the column of each axis to its value, {"k": 3}. `tune_trials` is empty where a single rate
    was given, or where another cell does the tuning (`tuning.at`).
    """

    def __init__(
        self, method: Method, axes: dict[str, Any], repeats: list[Trial], tuning: Tuning | None, owner: bool
    ) -> None:
        self.method, self.axes = method, axes
        self.repeats = repeats  # at the lowest rate; the rate that they run at is chosen later
        self._tuning, self._owner = tuning, owner
        self._chosen: dict[float, list[Trial]] = {}

    @property
    def tune_trials(self) -> list[Trial]:
        """The first round of tuning, by ascending learning rate."""
        return self._tuning.trials if self._tuning is not None and self._owner else []

    def choice(self, scores: Scores) -> Choice | None:
        """The learning rate of the repetitions; None until every score that decides it is known."""
        if self._tuning is None:
            return Choice(self.repeats[0].learning_rate, None, False)
        return self._tuning.choice(scores)

    def best_so_far(self, scores: Scores) -> Choice | None:
        """The best rate of those known; None before any is, or if this cell tunes nothing itself."""
        return self._tuning.best_so_far(scores) if self._tuning is not None and self._owner else None

    def repeat_trials(self, scores: Scores) -> list[Trial] | None:
        """As many repetitions as there may be, in order; None until their learning rate is chosen."""
        choice = self.choice(scores)
        return None if choice is None else self._at(choice.learning_rate)

    def tuning_due(self, scores: Scores) -> list[Trial]:
        """The trials of this cell's own tuning that are known so far, done or not."""
        return self._tuning.due(scores) if self._tuning is not None and self._owner else []

    def due(self, scores: Scores) -> list[Trial]:
        """Every trial of this cell that is known so far, done or not; no other cell has any of them."""
        return self.tuning_due(scores) + (self.repeat_trials(scores) or [])

    def _at(self, rate: float) -> list[Trial]:
        if rate not in self._chosen:
            self._chosen[rate] = [replace(trial, learning_rate=rate) for trial in self.repeats]
        return self._chosen[rate]


class Plan:
    """A sweep expanded into cells, each with as many repetitions as there may be.

    `tunings` is the number of trials in tuning, `planned` the least number of trials in the whole sweep, and
    `most` the largest.

    `data_digest` identifies the content of the data set; where the data set is an axis, it maps the name
    of each data set to its digest.
    """

    def __init__(self, sweep: Sweep, data_digest: Digests = None) -> None:
        if len(sweep.datasets) > 1 and isinstance(data_digest, str):
            raise ValueError(f"one digest for several data sets: {', '.join(sweep.datasets)}")
        self.sweep = sweep
        self._digests = data_digest
        self._tunings: dict[str, Tuning] = {}
        self.cells = self._build()
        refine = sweep.tuning.refine
        refined = refine * sweep.tuning.seeds
        self.tunings = sum(len(tuning.trials) + refined for tuning in self._tunings.values())
        self.planned = self.tunings + len(self.cells) * sweep.repetitions.min
        self.most = self.tunings + len(self.cells) * sweep.repetitions.max

    def due(self, scores: Scores) -> list[Trial]:
        """Every trial that is known so far, done or not, by cell; each trial once.

        All repetitions are among them that there may be. How many of them are needed, `SweepState` knows.
        """
        return [trial for cell in self.cells for trial in cell.due(scores)]

    def trial(self, trial_id: str, *, learning_rate: float, seed: int, split: Any) -> Trial | None:
        """The trial with this id, among all methods and points at this rate and seed; None without one."""
        own = {"learning_rate": learning_rate, "seed": seed, "split": split}
        bases = [cell.repeats[0] for cell in self.cells]
        bases += [tuning.trials[0] for tuning in self._tunings.values()]
        return next((trial for base in bases if (trial := replace(base, **own)).id == trial_id), None)

    def _build(self) -> list[Cell]:
        cells: list[tuple[int, int, Cell]] = []
        seen: set[str] = set()
        # First the points that are tuned at themselves, because they own the tuning; sorted back at the end
        points = sorted(enumerate(self.sweep.points), key=lambda numbered: numbered[1].tuned_at is not None)
        for line, method in enumerate(self.sweep.methods):
            rates = self.sweep.rates[method]
            for place, point in points:
                base = self._trial(method, point, rates[0], "repeat")
                if base.id not in seen:  # else it differs only in an axis that the method ignores
                    seen.add(base.id)
                    cells.append((line, place, self._cell(base, point, rates)))
        return [cell for _, _, cell in sorted(cells, key=lambda cell: cell[:2])]

    def _cell(self, base: Trial, point: Point, rates: tuple[float, ...]) -> Cell:
        tuning, owner = None, False
        if len(rates) > 1:
            tuning, owner = self._tuning(base.method, point.tuned_at or point, rates)
        columns = base.columns()
        names = [key.rpartition(".")[2] for key in self.sweep.axes]
        axes = {name: columns.get(name) for name in names}  # None: an option that the optimizer does not have
        repeats = [
            replace(base, seed=seed, repetition=number)
            for number, seed in enumerate(self.sweep.repetition_seeds, 1)
        ]
        return Cell(base.method, axes, repeats, tuning, owner)

    def _tuning(self, method: Method, point: Point, rates: tuple[float, ...]) -> tuple[Tuning, bool]:
        """The tuning of `method` at `point`, and whether it is new: then the cell that asked owns it."""
        base = self._trial(method, point, rates[0], "tune")
        if base.id in self._tunings:
            return self._tunings[base.id], False
        rules, seeds = self.sweep.tuning, self.sweep.tuning_seeds
        self._tunings[base.id] = Tuning(base, rates, seeds, rules.refine, rules.lower_is_better)
        return self._tunings[base.id], True

    def _trial(self, method: Method, point: Point, rate: float, stage: Any) -> Trial:
        network, rule = point.network, RULES[method.rule]
        # What the method does not use is at its default, so that its trials are the same at every value
        if not rule.uses_feature_std and network.feature_std is not None:
            network = network.model_copy(update={"feature_std": None})
        if not rule.uses_feedback and network.feedback_scale != 1:
            network = network.model_copy(update={"feedback_scale": 1.0})
        options = dict(point.optimizers.get(method.optimizer, {}))
        decay = options.pop("weight_decay", point.training.weight_decay)
        return Trial(
            problem=point.problem,
            network=network,
            training=point.training.model_copy(update={"weight_decay": decay}),
            options=options,
            method=method,
            learning_rate=rate,
            seed=self.sweep.seed,
            stage=stage,
            # Repetitions are always measured on the test set, whatever the learning rate was chosen on
            split=self.sweep.tuning.split if stage == "tune" else "test",
            data_digest=self._digest(point.dataset),
        )

    def _digest(self, dataset: str | None) -> str | None:
        if dataset is None or self._digests is None:
            return None
        return self._digests if isinstance(self._digests, str) else self._digests.get(dataset)


def between(rates: list[float], best: float, count: int) -> list[float]:
    """`count` new rates, log-spaced in the gaps between `best` and its neighbours in the ascending `rates`.

    Half of them lie in each gap, and an odd one in the upper. There is one gap where `best` is at an edge.
    """
    at = rates.index(best)
    gaps = [(rates[i], rates[i + 1]) for i in (at - 1, at) if 0 <= i < len(rates) - 1]
    counts = [count] if len(gaps) == 1 else [count // 2, count - count // 2]
    for digits in (6, 9, 12, 17):  # as few as keep the rates different
        new = {
            round_rate(math.exp(math.log(low) + (math.log(high) - math.log(low)) * i / (n + 1)), digits)
            for (low, high), n in zip(gaps, counts, strict=True)
            for i in range(1, n + 1)
        }.difference(rates)
        if len(new) == count:
            break
    return sorted(new)

"""The tuning of a method at a point of the axes: what it tries, what it stops, and what it chooses.

Pure functions of the scores known so far. So a run that goes on, or another one at the same time, finds the
same trials, and nobody's choice depends on which trial ended first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dfa_tune.config.schema import Tuning as Rules
from dfa_tune.config.schema import round_rate
from dfa_tune.config.tuned import LEARNING_RATE, Parameter
from dfa_tune.planning.candidates import Candidate, Values, candidate, grid
from dfa_tune.planning.samplers import ROUND, TriedSetting, random_settings, tpe_settings
from dfa_tune.planning.trial import Trial

# Of finished trials by trial id, and by `at_rung` of trials at the epochs after which they may be stopped
Scores = Mapping[str, float]


def at_rung(trial_id: str, epoch: int) -> str:
    """The key of the score that a trial has after this epoch, whatever became of it later."""
    return f"{trial_id}@{epoch}"


@dataclass(frozen=True)
class Choice:
    """The learning rate that was chosen, and its score; None where the rate was given, not tuned.

    `at_edge`: it is the lowest or highest rate tried, so a better one may lie outside the range. Where all
    rates diverged, the score is NaN and the rate is the lowest. `by_seed`: the score of each tuning seed.
    `values` has the parameters that were chosen together with the rate, by dotted key, and `edges` whether
    each of them is the lowest or highest tried; zero, below which no parameter goes, is no edge. `trials`:
    the ids of the trials that had these values.
    """

    learning_rate: float
    score: float | None
    at_edge: bool
    by_seed: tuple[float, ...] = ()
    values: Values = field(default_factory=dict)
    edges: Mapping[str, bool] = field(default_factory=dict)
    trials: frozenset[str] = frozenset()


Scored = tuple[Candidate, float]


@dataclass(frozen=True)
class Ended:
    """A setting that was tried: its score at the end, or at the epoch at which it was stopped."""

    candidate: Candidate
    score: float
    stopped: int | None = None


@dataclass(frozen=True)
class Budget:
    """What a tuning has taken: settings tried, trials (of all tuning seeds), stopped trials, and epochs."""

    settings: int = 0
    trials: int = 0
    stopped: int = 0
    epochs: int = 0


@dataclass
class Course:
    """How far a tuning has come.

    due: its trials known so far, done or not; `until` is the epoch up to which each is trained for now, or
        at which it was stopped
    tried: all settings known so far, in the order in which they became known
    ending: the settings that are trained to the end
    finished: those of them whose round has ended, with their scores
    stopped: the settings that were stopped, each with the epoch and the score that it had there
    complete: whether nothing is left to try
    """

    due: list[Trial] = field(default_factory=list)
    tried: list[Candidate] = field(default_factory=list)
    ending: list[Candidate] = field(default_factory=list)
    finished: list[Scored] = field(default_factory=list)
    stopped: list[tuple[Candidate, int, float]] = field(default_factory=list)
    complete: bool = False


class Tuning:
    """The search for the learning rate of a method at a point, and for what is chosen together with it.

    Several cells may use its result. Each setting is tried with every one of the `seeds`, and its score is
    their mean. A seed that diverged counts as it is: the score is then NaN, and the setting does not win.

    base: the trial that is varied; parameters: by name, the learning rate among them
    """

    def __init__(
        self, base: Trial, parameters: Mapping[str, Parameter], seeds: Sequence[int], rules: Rules
    ) -> None:
        self._base, self._parameters, self._seeds, self._rules = base, parameters, seeds, rules
        self._sign = -1.0 if rules.lower_is_better else 1.0
        self._later: dict[Any, list[Candidate]] = {}  # rounds after the first, by what they follow from
        self._first = self._candidates(self._first_settings())
        several = len({one.learning_rate for one in self._first}) > 1
        self._refine = rules.refine if several else 0  # between rates

    @property
    def trials(self) -> list[Trial]:
        """The trials of the first round: all there are, but for those of `refine` and TPE's next rounds."""
        return [trial for one in self._first for trial in one.trials]

    @property
    def count(self) -> int:
        """How many trials there are in all rounds, the stopped ones among them."""
        settings = self._rules.trials or len(self._first) + self._refine
        return settings * len(self._seeds)

    def due(self, scores: Scores) -> list[Trial]:
        """The trials known so far, done or not."""
        return self.course(scores).due

    def choice(self, scores: Scores) -> Choice | None:
        """The best setting that was trained to the end; None until all that there are have ended."""
        course = self.course(scores)
        if not course.complete:
            return None
        best, score = self._ranked(course.finished)[0]
        edges = {
            name: _at_edge(value, [one.values[name] for one in course.tried])
            for name, value in best.values.items()
        }
        by_seed = tuple(scores[trial.id] for trial in best.trials)
        values = {name: value for name, value in best.values.items() if name != LEARNING_RATE}
        ids = frozenset(trial.id for trial in best.trials)
        return Choice(best.learning_rate, score, edges.pop(LEARNING_RATE), by_seed, values, edges, ids)

    def best_so_far(self, scores: Scores) -> Choice | None:
        """The best of the settings whose scores are known; None before the first score that is a number."""
        scored = [(one, _mean(one, scores)) for one in self.course(scores).ending]
        known = [(one, score) for one, score in scored if score is not None and not math.isnan(score)]
        if not known:
            return None
        best, score = self._ranked(known)[0]
        return Choice(best.learning_rate, score, at_edge=False)

    def ended(self, scores: Scores) -> list[Ended]:
        """The settings that have ended or were stopped, in the order in which they became known."""
        course = self.course(scores)
        found = {one.id: Ended(one, score, epoch) for one, epoch, score in course.stopped}
        scored = [(one, _mean(one, scores)) for one in course.ending]
        found |= {one.id: Ended(one, score) for one, score in scored if score is not None}
        return [found[one.id] for one in course.tried if one.id in found]

    def stopped(self, scores: Scores) -> set[str]:
        """The ids of the trials that were stopped."""
        return {trial.id for one, _, _ in self.course(scores).stopped for trial in one.trials}

    def budget(self, scores: Scores) -> Budget:
        """What the settings took that have ended."""
        ended, epochs, seeds = self.ended(scores), self._base.training.epochs, len(self._seeds)
        stopped = sum(one.stopped is not None for one in ended)
        spent = sum(one.stopped or epochs for one in ended)
        return Budget(len(ended), len(ended) * seeds, stopped * seeds, spent * seeds)

    def course(self, scores: Scores) -> Course:
        """How far the tuning has come, given these scores.

        Every round is halved at each rung: of all settings, of this and of earlier rounds, that have reached
        the rung, the best go on. A rung is decided when all of the round's settings have reached it.
        """
        course, reached = Course(), {rung: list[Scored]() for rung in self._rules.rungs}
        while (settings := self._round(course)) is not None:
            course.tried += settings
            for rung, others in reached.items():
                if (known := _scored(settings, scores, rung)) is None:
                    course.due += [trial for one in settings for trial in one.until(rung)]
                    return course
                others += known
                best = {one.id for one, _ in self._ranked(others)[: self._kept(len(others))]}
                settings = [one for one, _ in known if one.id in best]
                stopped = [(one, rung, score) for one, score in known if one.id not in best]
                course.stopped += stopped
                course.due += [trial for one, _, _ in stopped for trial in one.until(rung)]
            course.due += [trial for one in settings for trial in one.trials]
            course.ending += settings
            if (known := _scored(settings, scores)) is None:
                return course
            course.finished += known
        course.complete = True
        return course

    def _kept(self, count: int) -> int:
        """How many of so many settings go on; at least one."""
        assert self._rules.stop is not None
        return max(1, math.ceil(round(self._rules.stop.keep * count, 9)))  # 0.55 * 20 is 11, not more

    def _ranked(self, scored: Sequence[Scored]) -> list[Scored]:
        """The best first: of equals the one with the lower rate; those that diverged last."""

        def place(one: Scored) -> tuple[float, float]:
            score = -math.inf if math.isnan(one[1]) else self._sign * one[1]
            return -score, one[0].learning_rate

        return sorted(scored, key=place)

    # -- what it tries --------------------------------------------------------------------------

    def _round(self, course: Course) -> list[Candidate] | None:
        """The next settings to try together, given that all before have ended; None if there are none."""
        if not course.tried:
            return self._first
        if self._rules.sampler == "tpe":
            return self._suggested(course)
        if self._refine and len(course.tried) == len(self._first):
            return self._refined(self._ranked(course.finished)[0][0])
        return None

    def _first_settings(self) -> Iterable[Values]:
        if self._rules.sampler == "grid":
            return grid(self._parameters)
        count, seed = self._rules.trials or 0, self._base.seed
        if self._rules.sampler == "random":
            return random_settings(self._parameters, count, seed)
        lower = self._rules.lower_is_better
        return tpe_settings(self._parameters, min(count, ROUND), seed, (), lower)

    def _refined(self, best: Candidate) -> list[Candidate]:
        """Rates between the neighbours of the best one, everything else as in the best setting."""
        if best.id not in self._later:
            rates = sorted({one.learning_rate for one in self._first})
            new = between(rates, best.learning_rate, self._refine)
            self._later[best.id] = self._candidates({**best.values, LEARNING_RATE: rate} for rate in new)
        return self._later[best.id]

    def _suggested(self, course: Course) -> list[Candidate] | None:
        """TPE's next round; None after the last one."""
        count = min(ROUND, (self._rules.trials or 0) - len(course.tried))
        if count <= 0:
            return None
        shown: dict[str, tuple[float | None, int | None]] = {
            one.id: (_number(score), None) for one, score in course.finished
        }
        shown |= {one.id: (_number(score), epoch) for one, epoch, score in course.stopped}
        key = tuple(shown[one.id] for one in course.tried)
        if key not in self._later:
            known = [TriedSetting(one.values, *shown[one.id]) for one in course.tried]
            lower, seed = self._rules.lower_is_better, self._base.seed
            self._later[key] = self._candidates(tpe_settings(self._parameters, count, seed, known, lower))
        return self._later[key]

    def _candidates(self, settings: Iterable[Values]) -> list[Candidate]:
        """The settings, each once: two may be one where a value is the same as the default."""
        found = (candidate(self._base, values, self._seeds) for values in settings)
        return list({one.id: one for one in found}.values())


def _mean(one: Candidate, scores: Scores, rung: int | None = None) -> float | None:
    """The mean score over the seeds, at a rung or in the end; None until all are known."""
    known = [scores.get(trial.id if rung is None else at_rung(trial.id, rung)) for trial in one.trials]
    return None if None in known else sum(known) / len(known)  # type: ignore[arg-type]


def _scored(settings: Iterable[Candidate], scores: Scores, rung: int | None = None) -> list[Scored] | None:
    """The settings with their scores; None until all are known."""
    known = []
    for one in settings:
        if (score := _mean(one, scores, rung)) is None:
            return None
        known.append((one, score))
    return known


def _at_edge(value: Any, tried: Sequence[Any]) -> bool:
    """Whether the value is the lowest or highest tried; words and lists have no edge, nor has zero."""
    numbers = [one for one in tried if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) < len(tried) or min(numbers) == max(numbers) or value == 0:
        return False
    return value in (min(numbers), max(numbers))


def _number(score: float) -> float | None:
    return None if math.isnan(score) else score


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

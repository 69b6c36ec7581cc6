"""What is done and what is next: the plan with what the store knows. Neither Ray nor torch."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dfa_tune.planning.plan import Choice, Plan
from dfa_tune.planning.scores import trial_scores
from dfa_tune.planning.trial import Trial
from dfa_tune.results.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Count:
    """Trials of a sweep by what became of them."""

    planned: int
    done: int

    @property
    def remaining(self) -> int:
        """Trials still to be trained, those included whose learning rate is not chosen yet."""
        return self.planned - self.done


class SweepState:
    """Which trials of `plan` are done, and which can be trained now.

    It holds one number a finished trial, its score; the rows stay in the store. `rows` are what the
    files `known` hold, or more: those files are not read again.
    """

    def __init__(self, plan: Plan, store: Store, rows: pd.DataFrame, known: Set[str] = frozenset()) -> None:
        self.plan, self.store = plan, store
        self._known = set(known)
        self.scores: dict[str, float] = {}
        self._due: dict[str, Trial] = {}
        self._open = list(plan.cells)
        self.absorb(rows)

    def refresh(self) -> None:
        """Take in what the store has got since: this run's files, and other runs'."""
        if self.store.names() <= self._known:
            return
        rows, names = self.store.read_but(self._known)
        self._known |= names
        self.absorb(rows)

    def absorb_file(self, stem: str) -> None:
        """Take in one file; raises FileNotFoundError, and UserError if it is damaged."""
        self.absorb(self.store.read_file(stem))
        self._known.add(f"{stem}.parquet")

    def absorb(self, rows: pd.DataFrame) -> None:
        """Take in rows of finished trials."""
        if rows.empty:
            self._extend()
            return
        tuning = self.plan.sweep.tuning
        self.scores.update(trial_scores(rows, tuning.metric, tuning.window))
        self._extend()

    def _extend(self) -> None:
        """Add to what is due what the scores have settled; a cell whose repetitions are known is closed."""
        still_open = []
        for cell in self._open:
            for trial in cell.due(self.scores):
                self._due.setdefault(trial.id, trial)
            if cell.choice(self.scores) is None:
                still_open.append(cell)
        self._open = still_open

    def ready(self) -> list[Trial]:
        """Trials that could be trained now: due and not done."""
        return [trial for trial in self._due.values() if trial.id not in self.scores]

    def count(self) -> Count:
        """How far the sweep is."""
        return Count(self.plan.planned, sum(trial in self.scores for trial in self._due))

    def take_over(self) -> int:
        """Copy what other spaces under the same results have trained already; returns how many trials.

        Rows come without weights: a space that saves those trains its repetitions itself.
        """
        taken = 0
        while found := self.store.take_over({trial.id: trial.stage for trial in self._takeable()}):
            taken += len(found)
            self.absorb(self.store.read(found))  # may settle a learning rate, and make repetitions due
        return taken

    def foresee(self) -> int:
        """Count as done what `take_over` would copy, and copy nothing; returns how many trials."""
        taken = 0
        while not (rows := self.store.elsewhere([trial.id for trial in self._takeable()])).empty:
            taken += rows["trial_id"].nunique()
            self.absorb(rows)
        return taken

    def _takeable(self) -> list[Trial]:
        saves = self.plan.sweep.save_weights
        return [trial for trial in self.ready() if not (saves and trial.stage == "repeat")]

    def best(self) -> Iterator[tuple[str, Choice]]:
        """Each method's best learning rate so far, tuned or being tuned, by the sweep's order."""
        best: dict[str, Choice] = {}
        for cell in self.plan.cells:
            for trial in cell.tune_trials:
                value = self.scores.get(trial.id, float("nan"))
                known = best.get(cell.method.name)
                if value == value and (known is None or known.score is None or value > known.score):
                    best[cell.method.name] = Choice(trial.learning_rate, value, False)
        return iter(best.items())

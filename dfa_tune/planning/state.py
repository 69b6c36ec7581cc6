"""Which trials of a sweep are done and which are next: its plan, and the scores of what is in the store."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dfa_tune.planning.plan import Cell, Choice, Plan
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

    It holds one number per finished trial, its score; the rows stay in the store.

    rows: of finished trials, among them all that the files `known` hold
    known: names of result files that need not be read again
    """

    def __init__(self, plan: Plan, store: Store, rows: pd.DataFrame, known: Set[str] = frozenset()) -> None:
        self.plan, self.store = plan, store
        self._known = set(known)
        self.scores: dict[str, float] = {}
        self._due: dict[str, Trial] = {}
        self._open = list(plan.cells)
        self.absorb(rows)

    def refresh(self) -> None:
        """Take in the files that have come into the store since, whichever run wrote them."""
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
        """Add the trials that the scores have made due; a cell whose repetitions are known is closed."""
        still_open = []
        for cell in self._open:
            for trial in cell.due(self.scores):
                self._due.setdefault(trial.id, trial)
            if cell.choice(self.scores) is None:
                still_open.append(cell)
        self._open = still_open

    def ready(self) -> list[Trial]:
        """Trials that can be trained now: due and not done."""
        return [trial for trial in self._due.values() if trial.id not in self.scores]

    def count(self) -> Count:
        """How many trials are planned and done."""
        return Count(self.plan.planned, sum(trial in self.scores for trial in self._due))

    def stored(self) -> Count:
        """As `count`, but of what the store still has: files may have been moved since they were read."""
        done = self.store.done()
        return Count(self.plan.planned, sum(t in self.scores and t in done for t in self._due))

    def other_settings(self) -> int:
        """How many complete trials are in the folder that the plan does not mean, as far as it is decided."""
        return len(self.store.done() - self._due.keys())

    def take_over(self) -> int:
        """Copy the trials that other spaces under the same results have already; returns how many.

        Copied rows come without weights, so a space that saves weights trains its repetitions itself.
        """
        taken = 0
        while found := self.store.take_over({trial.id: trial.stage for trial in self._takeable()}):
            taken += len(found)
            self.absorb(self.store.read(found))  # may decide a learning rate, and make repetitions due
        return taken

    def foresee(self) -> int:
        """Count as done what `take_over` would copy, without copying it; returns how many trials."""
        taken = 0
        while not (rows := self.store.elsewhere([trial.id for trial in self._takeable()])).empty:
            taken += rows["trial_id"].nunique()
            self.absorb(rows)
        return taken

    def _takeable(self) -> list[Trial]:
        saves = self.plan.sweep.save_weights
        return [trial for trial in self.ready() if not (saves and trial.stage == "repeat")]

    def best(self) -> list[tuple[Cell, Choice]]:
        """The best learning rate so far of each cell that tunes and has a score, in the plan's order."""
        best = [(cell, cell.best_so_far(self.scores)) for cell in self.plan.cells]
        return [(cell, choice) for cell, choice in best if choice is not None]

"""Which trials of a sweep are done and which are next: its plan, and the scores of what is in the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from dfa_tune.learning.metrics import METRICS
from dfa_tune.planning.plan import Cell, Plan
from dfa_tune.planning.scores import known_scores
from dfa_tune.planning.sweep_results import PLAN_COLUMNS, SweepResults
from dfa_tune.planning.trial import Trial
from dfa_tune.planning.tuning import Choice, at_rung
from dfa_tune.results.store import Store, rung_file


@dataclass(frozen=True)
class Count:
    """Trials of a sweep by what became of them."""

    planned: int
    done: int

    @property
    def remaining(self) -> int:
        """Trials still to be trained, those included whose learning rate is not chosen yet."""
        return self.planned - self.done


@dataclass(frozen=True)
class Needed:
    """How many repetitions cells need, by their index in the plan; the others need the least number.

    undecided: the cells that may need more, once these repetitions are there
    said: how far the question is decided, in words
    """

    repetitions: Mapping[int, int] = field(default_factory=dict)
    undecided: Set[int] = frozenset()
    said: str = ""


Judge = Callable[[SweepResults], Needed]
JUDGED = [*PLAN_COLUMNS, "learning_rate", *METRICS]  # the columns of the rows that a judge is given


class SweepState:
    """Which trials of `plan` are done, and which can be trained now.

    It holds one number per finished trial, its score; the rows stay in the store. How often a method is
    repeated follows from the numbers of the repetitions alone, not from the order in which they ended: so a
    run that goes on after it was stopped, and another one at the same time, find the same trials.

    rows: of finished trials, among them all that the files `known` hold
    known: names of result files that need not be read again
    judge: how many repetitions cells need, given the rows so far; None: the least number. With it the columns
        JUDGED of the rows are kept too.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        rows: pd.DataFrame,
        known: Set[str] = frozenset(),
        *,
        judge: Judge | None = None,
    ) -> None:
        self.plan, self.store = plan, store
        self._known = set(known)
        self._known_rungs: set[str] = set()
        self.scores: dict[str, float] = {}  # as `tuning.Scores`
        self.taken_over = 0  # trials copied from other spaces
        self.stopped: dict[str, int] = {}  # the epoch after which each trial was stopped that was
        self._published: dict[str, int] = {}  # the last epoch in the store of each trial that may be stopped
        self._due: dict[str, Trial] = {}
        self._open = list(range(len(plan.cells)))  # cells without a chosen learning rate
        self._repetitions: dict[int, int] = {}  # due, of the cells whose learning rate is chosen
        self._judge = judge
        self._kept: list[pd.DataFrame] = []
        self.needed: Needed | None = None  # as far as it is known; None without a judge
        self._rungs = plan.sweep.tuning.rungs
        self._refresh_rungs()
        self.absorb(rows)

    def refresh(self) -> None:
        """Take in the files that have come into the store since, whichever run wrote them."""
        came = self._refresh_rungs()
        if not self.store.names() <= self._known:
            rows, names = self.store.read_but(self._known)
            self._known |= names
            self.absorb(rows)
        elif came:
            self._extend_tuning()
            self._extend_repetitions()

    def _refresh_rungs(self) -> bool:
        """Note the scores of the trials that wait at a rung; whether there are new ones."""
        if not self._rungs:
            return False
        rows, names = self.store.read_rungs(self._known_rungs)
        self._known_rungs |= names
        if len(rows):
            self._note(rows)
        return bool(len(rows))

    def absorb_file(self, pack_id: str, until: int | None = None) -> None:
        """Take in the file of a pack, which has stopped at the epoch `until` if that is not None.

        Raises FileNotFoundError, and UserError if the file is damaged.
        """
        if until is not None:
            self.refresh()
            if rung_file(pack_id, until) not in self._known_rungs:
                raise FileNotFoundError(pack_id)
            return
        self.absorb(self.store.read_file(pack_id))
        self._known.add(f"{pack_id}.parquet")

    def absorb(self, rows: pd.DataFrame) -> None:
        """Take in rows of finished trials, and of stopped ones."""
        new = pd.DataFrame()
        if not rows.empty:
            if self._judge is not None:  # each trial once, though two runs may have trained it
                new = rows.loc[~rows["trial_id"].isin(self.scores.keys()), JUDGED]
                self._kept += [new] if len(new) else []
            self._note(rows)
            if self._rungs:
                self._published |= {
                    str(k): int(v) for k, v in rows.groupby("trial_id")["epoch"].max().items()
                }
        self._extend_tuning()
        self._extend_repetitions()  # those that came together with a deciding trial are due, and judged
        if self._judge is not None and (self.needed is None or (len(new) and self._repeated())):
            kept = pd.concat(self._kept, ignore_index=True) if self._kept else pd.DataFrame()
            self._kept = [kept] if len(kept) else []
            self.needed = self._judge(SweepResults(self.plan, kept.reindex(columns=JUDGED)))
            self._extend_repetitions()

    def _note(self, rows: pd.DataFrame) -> None:
        tuning = self.plan.sweep.tuning
        self.scores |= known_scores(rows, tuning.metric, tuning.window, self._rungs)

    def _extend_tuning(self) -> None:
        """Add the trials of tuning that the scores have made due; a cell that has chosen is closed."""
        still_open = []
        for index in self._open:
            cell = self.plan.cells[index]
            for trial in cell.tuning_due(self.scores):
                if self._rungs:  # it may have to go on, or may go on no more
                    self._due[trial.id] = trial
                else:
                    self._due.setdefault(trial.id, trial)
            for name in cell.stopped(self.scores) if self._rungs else ():
                self.stopped[name] = self._due[name].until or 0
            trials = cell.repeat_trials(self.scores)
            if trials is None:
                still_open.append(index)
            else:  # those that are there count, even if they are more than this space needs
                self._repetitions[index] = 0
                for trial in trials[self.plan.sweep.repetitions.min :]:
                    if trial.id in self.scores:
                        self._due.setdefault(trial.id, trial)
        self._open = still_open

    def _repeated(self) -> bool:
        """Whether any repetition is done."""
        return any(trial.stage == "repeat" and name in self.scores for name, trial in self._due.items())

    def _extend_repetitions(self) -> None:
        """Add the repetitions that each cell needs by now, the first ones first."""
        least, most = self.plan.sweep.repetitions.min, self.plan.sweep.repetitions.max
        asked = self.needed.repetitions if self.needed is not None else {}
        new: list[tuple[int, int, Trial]] = []
        for index, before in self._repetitions.items():
            needed = min(max(asked.get(index, 0), least), most)
            if needed > before:
                trials = self.plan.cells[index].repeat_trials(self.scores) or []
                new += [(trial.repetition or 0, index, trial) for trial in trials[before:needed]]
                self._repetitions[index] = needed
        for _, _, trial in sorted(new, key=lambda one: one[:2]):
            self._due.setdefault(trial.id, trial)

    def ready(self) -> list[Trial]:
        """Trials that can be trained now: due, not done, and not waiting for others at a rung."""
        return [trial for trial in self._due.values() if not self.trained(trial)]

    def trained(self, trial: Trial) -> bool:
        """Whether the trial has come as far as it is to be trained for now, which may be a rung."""
        key = trial.id if trial.until is None else at_rung(trial.id, trial.until)
        return key in self.scores

    def done(self, trial_id: str) -> bool:
        """Whether nothing is left to train of a trial that is due: it has ended, or was stopped."""
        return trial_id in self.scores or trial_id in self.stopped

    def count(self) -> Count:
        """How many trials are planned and done, as far as is known which repetitions are needed."""
        return Count(self.planned, sum(map(self.done, self._due)))

    def stored(self) -> Count:
        """As `count`, but of what the store still has: files may have been moved since they were read."""
        there = self.store.whole()
        return Count(self.planned, sum(self.done(t) and t in there for t in self._due))

    def waiting(self) -> dict[str, float]:
        """Of the trials that wait for others at a rung, the share of their epochs that they have."""
        return {
            name: trial.until / trial.training.epochs
            for name, trial in self._due.items()
            if trial.until is not None and self.trained(trial) and not self.done(name)
        }

    def publish_stopped(self) -> None:
        """Publish the rows of the trials that were stopped, where that has not been done yet."""
        new = {name for name, epoch in self.stopped.items() if self._published.get(name, 0) < epoch}
        if new:
            self.store.publish_stopped(new)
            self._published |= {name: self.stopped[name] for name in new}

    def clear_rungs(self) -> None:
        """Remove what trials have left at rungs that have ended, or were published as stopped."""
        if self._rungs:
            self.store.clear_rungs({name for name in self._due if self.done(name)})

    @property
    def most(self) -> int:
        """How many trials the sweep has at most: all the repetitions allowed of what is undecided."""
        return self.planned + sum(
            self.plan.sweep.repetitions.max
            - max(self._repetitions.get(index, 0), self.plan.sweep.repetitions.min)
            for index in (self.needed.undecided if self.needed is not None else ())
        )

    @property
    def planned(self) -> int:
        """How many trials the sweep has, as far as is known which repetitions are needed."""
        repetitions = sum(trial.stage == "repeat" for trial in self._due.values())
        return self.plan.tunings + repetitions + len(self._open) * self.plan.sweep.repetitions.min

    def other_settings(self) -> int:
        """How many complete trials are in the folder that the plan does not mean, as far as it is decided."""
        return len(self.store.done() - self._due.keys())

    def take_over(self) -> int:
        """Copy the trials that are due and that other spaces under the same results have; returns how many.

        What they have is read at the first call. Copied rows come without weights, so a space that saves
        weights trains its repetitions itself.
        """
        taken = 0
        while (trials := self._takeable()) and (
            found := self.store.take_over(
                {trial.id: (trial.stage, trial.repetition) for trial in trials if trial.id in self._elsewhere}
            )
        ):
            taken += len(found)
            self.absorb(self.store.read(found))  # may decide a learning rate, and make repetitions due
        self.taken_over += taken
        return taken

    @cached_property
    def _elsewhere(self) -> set[str]:
        """Trials that other spaces have; read once, since it takes a second where there are thousands."""
        return self.store.done_elsewhere()

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

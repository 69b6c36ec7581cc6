"""Which trials to run next: first one trial per learning rate, then repetitions at the chosen rate.

Pure functions of a sweep and the scores known so far: nothing here trains, waits or reads files. Runs use
them to find the next trials, readers to find which results belong to a search space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dfa_tune.config.method import Method
from dfa_tune.config.tuned import LEARNING_RATE, Parameter, combinations, searched
from dfa_tune.planning.candidates import Values, apply, grid, recorded
from dfa_tune.planning.trial import Trial
from dfa_tune.planning.tuning import Budget, Choice, Ended, Scores, Tuning
from dfa_tune.registry import RULES

if TYPE_CHECKING:
    from dfa_tune.planning.sweep import Point, Sweep  # which plans a space to check its claims

Digests = str | None | Mapping[str, str | None]


class Cell:
    """One method at one point of the axes: its tuning and its repetitions.

    `base` has what its repetitions have in common, at the lowest rate and the space's own seed: no repetition
    has its id. `seeds` are those of the repetitions. `axes` maps the column of each axis to its value,
    {"k": 3}. `tune_trials` is empty where a single rate was given, or where another cell does the tuning
    (`tuning.at`).
    """

    def __init__(
        self, base: Trial, axes: dict[str, Any], seeds: Sequence[int], tuning: Tuning | None, owner: bool
    ) -> None:
        self.base, self.method, self.axes = base, base.method, axes
        self._seeds, self._tuning, self._owner = seeds, tuning, owner
        self._chosen: dict[tuple[Any, ...], list[Trial]] = {}

    @cached_property
    def repeats(self) -> list[Trial]:
        """The repetitions at the lowest rate; the rate that they run at is chosen later."""
        return self._repetitions(self.base)

    @property
    def tune_trials(self) -> list[Trial]:
        """The first round of tuning, by ascending learning rate."""
        return self._tuning.trials if self._tuning is not None and self._owner else []

    def choice(self, scores: Scores) -> Choice | None:
        """The learning rate of the repetitions; None until every score that decides it is known."""
        if self._tuning is None:
            return Choice(self.base.learning_rate, None, False)
        return self._tuning.choice(scores)

    def best_so_far(self, scores: Scores) -> Choice | None:
        """The best rate of those known; None before any is, or if this cell tunes nothing itself."""
        return self._tuning.best_so_far(scores) if self._tuning is not None and self._owner else None

    def repeat_trials(self, scores: Scores) -> list[Trial] | None:
        """As many repetitions as there may be, in order; None until their learning rate is chosen."""
        choice = self.choice(scores)
        return None if choice is None else self._at({LEARNING_RATE: choice.learning_rate, **choice.values})

    def stopped(self, scores: Scores) -> set[str]:
        """The ids of the trials of this cell's own tuning that were stopped."""
        return self._tuning.stopped(scores) if self._tuning is not None and self._owner else set()

    def ended(self, scores: Scores) -> list[Ended]:
        """The settings of this cell's own tuning that have ended or were stopped."""
        return self._tuning.ended(scores) if self._tuning is not None and self._owner else []

    def budget(self, scores: Scores) -> Budget:
        """What the tuning has taken that this cell uses, its own or that of another cell."""
        return Budget() if self._tuning is None else self._tuning.budget(scores)

    def tuning_due(self, scores: Scores) -> list[Trial]:
        """The trials of this cell's own tuning that are known so far, done or not."""
        return self._tuning.due(scores) if self._tuning is not None and self._owner else []

    def due(self, scores: Scores) -> list[Trial]:
        """Every trial of this cell that is known so far, done or not; no other cell has any of them."""
        return self.tuning_due(scores) + (self.repeat_trials(scores) or [])

    def _at(self, values: Values) -> list[Trial]:
        key = tuple(values.values())
        if key not in self._chosen:
            self._chosen[key] = self._repetitions(apply(self.base, values))
        return self._chosen[key]

    def _repetitions(self, base: Trial) -> list[Trial]:
        return [base.at_seed(seed, number) for number, seed in enumerate(self._seeds, 1)]


def _key(base: Trial, point: Point) -> tuple[str, str | None]:
    """What tells trials apart: their id, and the data set while its digest, a part of the id, is unknown."""
    return base.id, point.dataset if base.data_digest is None else None


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
        self._tunings: dict[tuple[str, str | None], Tuning] = {}
        self._bases: list[tuple[Trial, Mapping[str, Parameter]]] = []  # what all trials are made of
        self.cells = self._build()
        self.tunings = sum(tuning.count for tuning in self._tunings.values())
        self.planned = self.tunings + len(self.cells) * sweep.repetitions.min
        self.most = self.tunings + len(self.cells) * sweep.repetitions.max

    def due(self, scores: Scores) -> list[Trial]:
        """Every trial that is known so far, done or not, by cell; each trial once.

        All repetitions are among them that there may be. How many of them are needed, `SweepState` knows.
        """
        return [trial for cell in self.cells for trial in cell.due(scores)]

    def trial(self, trial_id: str, row: Mapping[str, Any]) -> Trial | None:
        """The trial with this id, among all methods and points, by a row of its results; None without one."""
        own = {"seed": int(row["seed"]), "split": row["split"]}
        found = (
            apply(replace(base, **own), recorded(parameters, row))
            for base, parameters in self._bases
            if base.method.name == row["method"]
        )
        return next((trial for trial in found if trial.id == trial_id), None)

    def _build(self) -> list[Cell]:
        cells: list[tuple[int, int, Cell]] = []
        seen: set[tuple[str, str | None]] = set()
        # First the points that are tuned at themselves, because they own the tuning; sorted back at the end
        points = sorted(enumerate(self.sweep.points), key=lambda numbered: numbered[1].tuned_at is not None)
        for line, method in enumerate(self.sweep.methods):
            for place, point in points:
                base = self._trial(method, point, "repeat")
                if (key := _key(base, point)) not in seen:  # else it differs only in an axis that it ignores
                    seen.add(key)
                    cells.append((line, place, self._cell(base, point)))
        return [cell for _, _, cell in sorted(cells, key=lambda cell: cell[:2])]

    def _cell(self, base: Trial, point: Point) -> Cell:
        parameters = self._parameters(base.method, point.tuned_at or point)
        tuning, owner = None, False
        if combinations(parameters.values(), self.sweep.tuning.sampler) > 1:
            tuning, owner = self._tuning(base.method, point.tuned_at or point, parameters)
        else:  # nothing to choose
            base = apply(base, next(iter(grid(parameters))))
        self._bases.append((base, parameters))
        columns = base.columns()
        names = [key.rpartition(".")[2] for key in self.sweep.axes]
        axes = {name: columns.get(name) for name in names}  # None: an option that the optimizer does not have
        return Cell(base, axes, self.sweep.repetition_seeds, tuning, owner)

    def _tuning(
        self, method: Method, point: Point, parameters: Mapping[str, Parameter]
    ) -> tuple[Tuning, bool]:
        """The tuning of `method` at `point`, and whether it is new: then the cell that asked owns it."""
        base = self._trial(method, point, "tune")
        if (key := _key(base, point)) in self._tunings:
            return self._tunings[key], False
        self._bases.append((base, parameters))
        self._tunings[key] = Tuning(base, parameters, self.sweep.tuning_seeds, self.sweep.tuning)
        return self._tunings[key], True

    def _parameters(self, method: Method, point: Point) -> dict[str, Parameter]:
        """What is chosen for the method at this point."""
        return searched(method, point, self.sweep.searched[method], self.sweep.further)

    def _trial(self, method: Method, point: Point, stage: Any) -> Trial:
        """The method's trial at its lowest rate, and at what the point says of all other parameters."""
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
            learning_rate=self.sweep.rates[method][0],
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

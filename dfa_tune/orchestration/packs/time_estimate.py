"""How long a sweep will take: from its finished trials, or else from the size of its matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from dfa_tune.planning.trial import Trial
from dfa_tune.registry import RULES

if TYPE_CHECKING:
    import pandas as pd

# The speed of one core on products of these sizes, the further seconds per step, and those per hidden unit
# and input of a step, whose value, slope and error pass through memory a dozen times. The estimate is right
# within a factor of two or three.
FLOPS_A_SECOND = 6.0e10
SECONDS_A_STEP = 5.0e-4
SECONDS_A_UNIT = 6.0e-9
START_SECONDS = 16.0  # Ray and the first workers


@dataclass(frozen=True)
class Estimate:
    """Seconds that one slot needs for all that remains.

    measured: whether they come from finished trials of the same space
    """

    slot_seconds: float
    measured: bool

    def wall(self, slots: int, trials: int) -> float:
        """Seconds from start to end if `slots` packs run at once, or as many as there are trials."""
        if not self.slot_seconds:
            return 0.0
        return START_SECONDS + self.slot_seconds / max(1, min(slots, trials))


def work(trial: Trial) -> float:
    """Seconds that a trial should take on one core, by the size of its matrix products and its layers."""
    widths = [trial.problem.inputs, *trial.network.hidden, trial.problem.outputs]
    first, *above = (a * b for a, b in pairwise(widths))
    samples, epochs = trial.problem.samples, trial.training.epochs
    steps = -(-samples // int(trial.training.batch_size))
    test = trial.problem.test_samples or 0
    tested = test * (trial.training.tests - 1) + (trial.problem.final_samples or test)
    products = 2 * samples * epochs + tested  # forward and gradient, and the tests
    if RULES[trial.method.rule].trains_hidden:
        flops = 2 * (first + sum(above)) * products
    else:  # frozen: once for each item where that is less (`first_layer/table.py`)
        flops = 2 * (first * min(trial.problem.items, products) + sum(above) * products)
    units = sum(trial.network.hidden) * samples * epochs
    return float(flops / FLOPS_A_SECOND + steps * epochs * SECONDS_A_STEP + units * SECONDS_A_UNIT)


def estimate(trials: list[Trial], unseen: int, rows: pd.DataFrame, device: str = "cpu") -> Estimate | None:
    """For `trials` and `unseen` more like them whose learning rate is not chosen yet.

    rows: of the sweep's finished trials; device: "cpu" or "cuda", where the rest will be trained. None if
    nothing is known: GPUs differ too much to guess what has not been measured.
    """
    rows = rows[rows["device"] == device]
    if not trials and not unseen:
        return Estimate(0.0, bool(len(rows)))
    if device == "cuda" and rows.empty:
        return None
    if not rows.empty:
        each = float(rows.groupby("trial_id")["seconds"].sum().mean())
        return Estimate(each * (len(trials) + unseen), True)
    each = sum(map(work, trials)) / max(1, len(trials))
    return Estimate(each * (len(trials) + unseen), False)

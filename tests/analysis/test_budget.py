"""The best score by tuning budget: its formulas against slow ones, and what the figure shows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dfa_tune.analysis import budget
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep_results import SweepResults

VALUES = [0.5, 0.9, 0.6, 0.6, 0.7]
MakePlan = Callable[..., Plan]
Trained = Callable[..., SweepResults]


def test_the_expected_best_is_the_mean_over_all_choices_of_so_many() -> None:
    expected = [
        np.mean([max(chosen) for chosen in itertools.combinations(VALUES, size)])
        for size in range(1, len(VALUES) + 1)
    ]
    assert budget.expected_best(VALUES) == pytest.approx(expected)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_luck_is_the_quantile_of_the_best_of_so_many_draws_with_replacement(quantile: float) -> None:
    for size in range(1, len(VALUES) + 1):
        best = sorted(map(max, itertools.product(VALUES, repeat=size)))
        expected = best[int(np.ceil(quantile * len(best) - 1e-9)) - 1]
        assert budget.luck(VALUES, quantile)[size - 1] == expected


def test_the_best_so_far_follows_the_order_and_a_loss_falls() -> None:
    assert budget.best_of("tpe", VALUES, False).line.tolist() == [0.5, 0.9, 0.9, 0.9, 0.9]
    assert budget.best_of("tpe", VALUES, True).line.tolist() == [0.5] * 5
    losses = budget.best_of("random", VALUES, True)
    assert losses.line[-1] == min(VALUES)
    assert all(np.diff(losses.line) <= 0)


def test_a_diverged_setting_counts_as_the_worst_of_the_others() -> None:
    assert budget.best_of("grid", [0.5, float("nan"), 0.9], False).line[0] == pytest.approx(
        (0.5 + 0.5 + 0.9) / 3
    )


def lines(results: SweepResults) -> dict[str, Any]:
    """What the figure's first panel has for each method, by the words of its legend."""
    drawn = budget.figure(results)
    assert drawn is not None
    return {str(line.get_label()): line for line in drawn.axes[0].lines if ":" in str(line.get_label())}


def test_a_line_ends_at_the_epochs_and_the_best_score_of_the_whole_tuning(
    plan: MakePlan, trained: Trained
) -> None:
    found = lines(trained(plan("tuning.stop={after: [2], keep: 0.5}")))
    # Of 3 settings 2 go on after epoch 2 of 4
    assert list(found) == [
        "bp-sgd: 3 trials, 1 stopped, 10 epochs",
        "dfa-sgd: 3 trials, 1 stopped, 10 epochs",
    ]
    line = found["bp-sgd: 3 trials, 1 stopped, 10 epochs"]
    assert line.get_xdata()[-1] == pytest.approx(10)
    assert line.get_ydata()[-1] == pytest.approx(0.7 + 0.1 + 0.035)


def test_only_random_settings_have_a_band_and_a_sweep_that_tunes_nothing_no_figure(
    plan: MakePlan, trained: Trained
) -> None:
    def bands(*overrides: str) -> int:
        drawn = budget.figure(trained(plan(*overrides)))
        assert drawn is not None
        return len(drawn.axes[0].collections)

    rates = "learning_rates.sgd={low: 0.01, high: 1}"
    assert bands() == 0
    assert bands(rates, "tuning.sampler=random", "tuning.trials=4") == 2
    assert bands(rates, "tuning.sampler=tpe", "tuning.trials=4") == 0
    assert budget.figure(trained(plan("learning_rates.sgd=0.1"))) is None


def test_thousands_of_settings_have_an_expected_best() -> None:
    found = budget.expected_best(np.arange(3000.0))
    assert found[0] == pytest.approx(2999 / 2)
    assert found[1] == pytest.approx((3000 + 1) * 2 / 3 - 1)  # the maximum of 2 of 0 to N - 1
    assert found[-1] == 2999

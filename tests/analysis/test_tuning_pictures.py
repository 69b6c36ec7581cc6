"""The picture of a method's tuning: its places in the box are worked out by hand."""

from __future__ import annotations

import pytest

from dfa_tune.analysis.claim_pictures import Box
from dfa_tune.analysis.tables import tried_table
from dfa_tune.analysis.tuning_pictures import curves

BOX = Box(120, 136, left=10, right=10, top=10, bottom=10)


def test_rates_are_on_a_logarithmic_axis_and_scores_on_one_scale_for_all(plan, trained) -> None:
    scores = {0.01: 0.5, 0.1: 0.9, 1.0: 1.0}
    results = trained(plan(), lambda trial, epoch: scores[trial.learning_rate] * (trial.method.rule == "bp"))
    bp, dfa = curves(results, BOX)
    # From 0 (DFA) to 1 and 8% more on each side: 1.16 for 116, so a hundred units for one
    assert [(point.x, point.y) for point in bp.points] == [
        pytest.approx((10, 126 - 58)),
        pytest.approx((60, 126 - 98)),
        pytest.approx((110, 126 - 108)),
    ]
    assert [point.y for point in dfa.points] == [pytest.approx(118)] * 3
    assert [point.chosen for point in bp.points] == [False, False, True]
    assert (bp.title, bp.chosen) == ("bp-sgd", "1")
    assert [label for _, label in bp.rates] == ["0.01", "1"]


def test_a_diverged_rate_is_at_the_bottom_and_the_line_leaves_it_out(plan, trained) -> None:
    results = trained(plan(), lambda trial, epoch: None if trial.learning_rate == 1.0 else 0.7)
    curve = curves(results, BOX)[0]
    assert [point.diverged for point in curve.points] == [False, False, True]
    assert curve.points[2].y == 126
    assert len(curve.line.split()) == 2
    assert curve.points[2].said == "1: diverged"


def test_every_rate_that_was_tried_is_in_the_table_with_its_score(plan, trained) -> None:
    rows = tried_table(trained(plan("problem.k=[1, 3]", "tuning.seeds=2")))
    assert [(row["method"], row["k"], row["learning_rate"]) for row in rows] == [
        (method, k, rate) for method in ("bp-sgd", "dfa-sgd") for k in (1, 3) for rate in (0.01, 0.1, 1.0)
    ]
    # BP at 0.01: 0.7 and 0.01 an epoch, of which the last two count
    assert rows[0]["score"] == pytest.approx(0.735)
    assert [row["chosen"] for row in rows[:3]] == [False, True, False]


def test_a_rate_of_which_a_seed_is_missing_has_no_row(plan, trained) -> None:
    results = trained(plan("tuning.seeds=2"))
    first = results.plan.cells[0].tune_trials[0]
    rows = results.rows[results.rows.trial_id != first.id]
    partly = tried_table(type(results)(results.plan, rows))
    assert [row["learning_rate"] for row in partly if row["method"] == "bp-sgd"] == [0.1, 1.0]
    assert not any(row["chosen"] for row in partly if row["method"] == "bp-sgd")

"""The tables that the command line prints, from made-up accuracies."""

import json

import numpy as np
import pytest
from scipy import stats

from dfa_tune.analysis import tables
from dfa_tune.planning.sweep_results import SweepResults

BEST = ["method", "learning_rate", "criterion", "at_edge", "tuning_trials", "tuning_epochs"]
SUMMARY = ["method", "learning_rate", "n", "diverged", "exploded", "mean", "low", "high", "sd"]


def test_best_names_the_rate_with_the_highest_criterion(plan, trained) -> None:
    plan = plan()
    bp, dfa = tables.best_table(trained(plan))
    assert list(bp) == BEST
    # the window is 2 of 4 epochs: 0.7 + 0.1 + 0.01 * 3.5
    assert bp == {
        "method": "bp-sgd",
        "learning_rate": 0.1,
        "criterion": pytest.approx(0.835),
        "at_edge": False,
        "tuning_trials": 3,
        "tuning_epochs": 12,
    }
    assert (dfa["method"], dfa["criterion"]) == ("dfa-sgd", pytest.approx(0.735))


def test_best_says_that_a_rate_is_at_its_ranges_edge(plan, trained) -> None:
    plan = plan()
    results = trained(plan, lambda trial, epoch: trial.learning_rate / 2)
    assert [(row["learning_rate"], row["at_edge"]) for row in tables.best_table(results)] == [(1.0, True)] * 2


def test_a_given_rate_has_no_criterion(plan, trained) -> None:
    plan = plan("learning_rates.sgd=0.1")
    assert [row["criterion"] for row in tables.best_table(trained(plan))] == [None, None]


def test_a_method_whose_every_rate_diverged_is_reported_with_its_lowest(plan, trained, learning) -> None:
    plan = plan()
    results = trained(
        plan, lambda trial, epoch: None if trial.method.rule == "dfa" else learning(trial, epoch)
    )
    dfa = tables.best_table(results)[1]
    assert (dfa["learning_rate"], dfa["criterion"]) == (0.01, None)


def test_before_any_result_the_tables_are_empty(plan, trained) -> None:
    plan = plan()
    results = trained(plan, rounds=0)
    assert (tables.best_table(results), tables.summary_table(results)) == ([], [])


def test_after_the_tuning_alone_there_are_rates_and_no_summary(plan, trained) -> None:
    plan = plan()
    results = trained(plan, rounds=1)
    assert len(tables.best_table(results)) == 2
    assert tables.summary_table(results) == []


def test_summary_has_scipys_interval_of_the_last_accuracies(plan, trained) -> None:
    plan = plan()
    seeds = plan.sweep.repetition_seeds
    bp = tables.summary_table(trained(plan))[0]
    values = [0.7 + 0.1 + 0.04 + (seed % 7) / 100 for seed in seeds]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert list(bp) == SUMMARY
    assert bp == {
        "method": "bp-sgd",
        "learning_rate": 0.1,
        "n": 3,
        "diverged": 0,
        "exploded": 0,
        "mean": pytest.approx(np.mean(values)),
        "low": pytest.approx(low),
        "high": pytest.approx(high),
        "sd": pytest.approx(stats.tstd(values)),
    }


def test_one_repetition_has_a_mean_and_no_interval(plan, trained) -> None:
    plan = plan("repetitions=1")
    bp = tables.summary_table(trained(plan))[0]
    assert bp["n"] == 1
    assert bp["mean"] is not None
    assert (bp["low"], bp["high"], bp["sd"]) == (None, None, None)


def test_a_diverged_repetition_counts_with_its_last_finite_accuracy(plan, trained, learning) -> None:
    plan = plan()
    lost = plan.sweep.repetition_seeds[0]

    def accuracy(trial, epoch):
        if trial.stage == "tune":
            return learning(trial, epoch)
        if trial.seed == lost:
            return 0.6 if epoch < 3 else None
        return 0.9

    dfa = tables.summary_table(trained(plan, accuracy))[1]
    assert (dfa["n"], dfa["diverged"], dfa["mean"]) == (3, 1, pytest.approx((0.6 + 0.9 + 0.9) / 3))


def test_a_repetition_that_never_had_an_accuracy_leaves_no_mean(plan, trained) -> None:
    plan = plan()
    lost = plan.sweep.repetition_seeds[0]
    results = trained(plan, lambda trial, epoch: None if trial.seed == lost else 0.9)
    dfa = tables.summary_table(results)[1]
    assert (dfa["n"], dfa["diverged"], dfa["mean"], dfa["low"]) == (3, 1, None, None)


def test_every_point_of_the_axes_has_its_row(plan, trained) -> None:
    plan = plan("problem.k=[1, 3]", "network.hidden=[[8], [8, 4]]")
    for table in (tables.best_table, tables.summary_table):
        rows = table(trained(plan))
        assert [(row["method"], row["k"], row["hidden"]) for row in rows] == [
            (method, k, hidden) for method in ("bp-sgd", "dfa-sgd") for k in (1, 3) for hidden in ("8", "8,4")
        ]


def test_the_axis_n_does_not_hide_the_number_of_repetitions(plan, trained) -> None:
    plan = plan("problem={kind: clusters, n: [8, 16], d: 4}", "training.batch_size=full")
    row = tables.summary_table(trained(plan))[1]
    assert (row["problem.n"], row["n"]) == (16, 3)


def test_the_tables_are_json_without_nan(plan, trained) -> None:
    plan = plan("problem.k=[1, 3]")
    results = trained(plan, lambda trial, epoch: None)
    for table in (tables.best_table, tables.summary_table):
        assert json.loads(json.dumps(table(results), allow_nan=False)) == table(results)


def test_a_partly_done_method_counts_what_is_done(plan, trained) -> None:
    plan = plan()
    results = trained(plan)
    last = plan.cells[1].repeat_trials(results.scores)[-1]
    rows = results.rows
    results = SweepResults(plan, rows[rows.trial_id != last.id])
    assert [row["n"] for row in tables.summary_table(results)] == [3, 2]


def test_rows_are_ordered_by_method_and_then_by_number_whatever_the_spaces_order_is(plan, trained) -> None:
    plan = plan("problem.k=[3, 1]", "network.hidden=[[256], [8, 4], [64]]")
    for table in (tables.best_table, tables.summary_table):
        assert [(row["method"], row["k"], row["hidden"]) for row in table(trained(plan))] == [
            (method, k, hidden)
            for method in ("bp-sgd", "dfa-sgd")
            for k in (1, 3)
            for hidden in ("64", "256", "8,4")
        ]


def test_best_shows_the_spread_over_tuning_seeds(plan, trained) -> None:
    results = trained(plan("tuning.seeds=2"), lambda trial, epoch: 0.9 if trial.seed == 0 else 0.6)
    for row in tables.best_table(results):
        assert list(row) == [*BEST[:4], "criterion_sd", "criterion_lowest", *BEST[4:]]
        assert (row["tuning_trials"], row["tuning_epochs"]) == (2 * 3, 2 * 3 * 4)
        # Of 0.9 and 0.6: half their difference times the root of two
        assert row["criterion"] == pytest.approx(0.75)
        assert row["criterion_sd"] == pytest.approx(0.15 * 2**0.5)
        assert row["criterion_lowest"] == pytest.approx(0.6)


def test_best_shows_the_whole_choice_and_what_the_tuning_took(plan, trained) -> None:
    """The best feedback is the largest tried; two of 9 settings were stopped after epoch 2 of 4."""
    plan = plan("tuning.with={network.feedback_scale: [0.5, 1, 2]}", "tuning.stop={after: [2], keep: 0.75}")
    results = trained(plan, lambda trial, epoch: trial.network.feedback_scale / 4 + trial.learning_rate / 100)
    bp, dfa = tables.best_table(results)
    assert list(bp) == [
        *BEST[:4],
        "feedback_scale",
        "feedback_scale_at_edge",
        "tuning_trials",
        "tuning_epochs",
        "stopped_trials",
    ]
    assert (bp["feedback_scale"], bp["feedback_scale_at_edge"]) == (None, None)  # BP has no feedback
    assert (dfa["feedback_scale"], dfa["feedback_scale_at_edge"]) == (2.0, True)
    assert (dfa["learning_rate"], dfa["at_edge"]) == (1.0, True)
    assert (dfa["tuning_trials"], dfa["tuning_epochs"], dfa["stopped_trials"]) == (9, 7 * 4 + 2 * 2, 2)
    assert (bp["tuning_trials"], bp["tuning_epochs"], bp["stopped_trials"]) == (
        3,
        3 * 4,
        0,
    )  # of 3 three go on

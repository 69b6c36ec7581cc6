"""One number a trial: against a plain loop, and with what diverges."""

import math

import numpy as np
import pandas as pd
import pytest

from dfa_tune.planning.scores import final, trial_scores


def rows(**trials: list[float | None]) -> pd.DataFrame:
    """One row an epoch for each trial's accuracies; a trial with a None diverged."""
    return pd.DataFrame(
        [
            {"trial_id": name, "epoch": epoch, "test_accuracy": value, "diverged": None in values}
            for name, values in trials.items()
            for epoch, value in enumerate(values, 1)
        ]
    ).astype({"test_accuracy": float})


def test_the_criterion_is_the_mean_of_the_last_window() -> None:
    found = trial_scores(rows(a=[0.1, 0.5, 0.7], b=[0.9, 0.2, 0.3]), "test_accuracy", 2)
    assert found == pytest.approx({"a": 0.6, "b": 0.25})


def test_rows_may_come_in_any_order() -> None:
    table = rows(a=[0.1, 0.5, 0.7], b=[0.9, 0.2, 0.3])
    assert trial_scores(table.sample(frac=1, random_state=3), "test_accuracy", 2) == trial_scores(
        table, "test_accuracy", 2
    )


def test_a_window_longer_than_the_trial_takes_all_rows() -> None:
    assert trial_scores(rows(a=[0.2, 0.4]), "test_accuracy", 10) == pytest.approx({"a": 0.3})


def test_the_window_counts_rows_not_epochs() -> None:
    table = rows(a=[0.1, 0.5, 0.7]).assign(epoch=[10, 20, 25])
    assert trial_scores(table, "test_accuracy", 2) == pytest.approx({"a": 0.6})


def test_a_diverged_trial_has_nan_though_its_last_rows_are_finite() -> None:
    table = rows(a=[0.5, 0.6], b=[0.5, 0.6])
    table.loc[(table.trial_id == "a") & (table.epoch == 1), "diverged"] = True
    found = trial_scores(table, "test_accuracy", 1)
    assert math.isnan(found["a"])
    assert found["b"] == 0.6


def test_a_null_within_the_window_gives_nan() -> None:
    table = rows(a=[0.5, None, 0.6], b=[None, 0.5, 0.6]).assign(diverged=False)
    found = trial_scores(table, "test_accuracy", 2)
    assert math.isnan(found["a"])
    assert found["b"] == pytest.approx(0.55)


def test_no_rows_give_no_criteria() -> None:
    assert trial_scores(rows(a=[0.5]).iloc[:0], "test_accuracy", 10) == {}


def test_ten_thousand_trials_agree_with_a_loop() -> None:
    trials, epochs, window = 10_000, 20, 10
    values = np.random.default_rng(0).random((trials, epochs))
    names = [f"{i:016x}" for i in range(trials)]
    table = pd.DataFrame(
        {
            "trial_id": np.repeat(names, epochs),
            "epoch": np.tile(np.arange(1, epochs + 1), trials),
            "test_accuracy": values.ravel(),
            "diverged": False,
        }
    ).sample(frac=1, random_state=0)
    found = trial_scores(table, "test_accuracy", window)
    expected = {name: sum(line[-window:]) / window for name, line in zip(names, values.tolist(), strict=True)}
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_final_value_is_the_last_epochs() -> None:
    assert final(rows(a=[0.9, 0.2, 0.3]).iloc[::-1]).to_dict() == {"a": 0.3}


def test_a_diverged_trial_ends_with_its_last_finite_value() -> None:
    found = final(rows(a=[0.6, 0.7, None], b=[None, None]))
    assert found["a"] == 0.7
    assert math.isnan(found["b"])

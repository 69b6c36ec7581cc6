"""CSV: pandas reads back what the Parquet files have."""

from __future__ import annotations

import json

import pandas as pd

from dfa_tune.analysis.export import csv_files
from dfa_tune.analysis.export.runs import runs


def test_epochs_are_the_rows_with_all_digits(plan, trained, tmp_path) -> None:
    results = trained(plan(), lambda trial, epoch: trial.learning_rate / 3 + epoch / 7)
    csv_files.write(runs(results), tmp_path / "new")
    back = pd.read_csv(tmp_path / "new" / "epochs.csv").sort_values(["trial_id", "epoch"])
    rows = results.rows.sort_values(["trial_id", "epoch"])
    for name in ("trial_id", "epoch", "test_accuracy", "train_loss", "seconds", "diverged"):
        assert back[name].tolist() == rows[name].tolist()
    layers = [json.loads(text) for text in back["gradient_alignment_by_layer"]]
    assert layers == [list(value) for value in rows["gradient_alignment_by_layer"]]


def test_trials_have_group_settings_and_end_in_the_order_of_the_columns(plan, trained, tmp_path) -> None:
    results = trained(plan())
    path, _ = csv_files.write(runs(results), tmp_path)
    text, back = path.read_text(), pd.read_csv(path)
    assert len(back) == results.rows["trial_id"].nunique()
    assert list(back)[:4] == ["trial_id", "group", "stage", "method"]
    assert list(back)[-3:] == ["final_test_accuracy", "diverged", "seconds"]
    assert set(back["repetition"].dropna()) == {1, 2, 3}
    assert ",3.0," not in text  # the repetition of those that have one is whole
    ends = results.rows.sort_values("epoch").groupby("trial_id")["test_accuracy"].last()
    assert back.set_index("trial_id")["final_test_accuracy"].to_dict() == ends.to_dict()


def test_writing_again_replaces_the_files(plan, trained, tmp_path) -> None:
    found = runs(trained(plan()))
    first = [path.read_bytes() for path in csv_files.write(found, tmp_path)]
    assert [path.read_bytes() for path in csv_files.write(found, tmp_path)] == first

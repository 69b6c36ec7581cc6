"""The trials of a sweep as runs: groups, settings and metrics."""

from __future__ import annotations

import pytest

from dfa_tune.analysis.export.runs import runs
from dfa_tune.errors import UserError
from dfa_tune.planning.sweep_results import SweepResults


def test_a_group_is_all_but_the_seed(plan, trained) -> None:
    found = runs(trained(plan("problem.k=[1, 3]")))
    groups: dict[str, list[int]] = {}
    for run in found:
        groups.setdefault(run.group, []).append(run.seed)
    assert groups["bp-sgd, k=3, rate 0.01, tune"] == [0]
    repeats = {name: seeds for name, seeds in groups.items() if name.endswith("repeat")}
    assert list(repeats) == [f"{rule}-sgd, k={k}, rate 0.1, repeat" for rule in ("bp", "dfa") for k in (1, 3)]
    assert len({tuple(seeds) for seeds in repeats.values()}) == 1  # paired
    assert len({(run.group, run.seed) for run in found}) == len(found)


def test_what_is_tuned_beside_the_rate_is_part_of_the_group(plan, trained) -> None:
    found = runs(trained(plan("tuning.with={training.weight_decay: [0.001, 0.1]}")))
    groups = {run.group for run in found if run.settings["stage"] == "tune"}
    assert "dfa-sgd, rate 0.1, weight_decay=0.1, tune" in groups
    assert len({(run.group, run.seed) for run in found}) == len(found)


def test_settings_are_what_is_not_null_and_whole_numbers_are_whole(plan, trained) -> None:
    found = {run.group: run for run in runs(trained(plan()))}
    tuned, repeated = found["dfa-sgd, rate 1.0, tune"], found["bp-sgd, rate 0.1, repeat"]
    assert (tuned.settings["k"], tuned.settings["feedback"]) == (3, "uniform")
    assert type(repeated.settings["repetition"]) is int
    assert "repetition" not in tuned.settings
    assert "feedback" not in repeated.settings
    assert "test_accuracy" not in tuned.settings


def test_metrics_are_those_that_were_measured_at_each_epoch(plan, trained, learning) -> None:
    run = runs(trained(plan()))[0]
    values = run.metrics[0][1]
    assert [epoch for epoch, _ in run.metrics] == [1, 2, 3, 4]
    # BP at the rate 0.01: 0.6 + 0.1 + 0.01 an epoch
    assert values == {
        "train_loss": pytest.approx(0.29),
        "test_accuracy": pytest.approx(0.71),
        "gradient_alignment_by_layer/1": pytest.approx(0.71),
        "seconds": 0.1,
    }
    assert run.final_test_accuracy == pytest.approx(0.74)
    assert run.seconds == pytest.approx(0.4)


def test_a_diverged_trial_keeps_what_it_had(plan, trained) -> None:
    found = runs(trained(plan(), lambda trial, epoch: 0.6 if epoch < 3 else None))
    assert {run.diverged for run in found} == {True}
    assert [set(values) for _, values in found[0].metrics][1:3] == [
        {"train_loss", "test_accuracy", "gradient_alignment_by_layer/1", "seconds"},
        {"seconds"},
    ]
    assert found[0].final_test_accuracy == 0.6


def test_no_results_are_an_error_that_says_what_to_run(plan, trained) -> None:
    empty = SweepResults(plan(), trained(plan()).rows.iloc[:0])
    with pytest.raises(UserError, match="no results to export yet; run: dfa-tune run tiny"):
        runs(empty)

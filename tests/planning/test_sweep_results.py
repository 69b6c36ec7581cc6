"""Rows of a space's own trials, whatever else lies in the folder; without torch and Ray."""

import subprocess
import sys

import pytest

from dfa_tune.analysis import load_results
from dfa_tune.errors import UserError
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.sweep_results import load_sweep_results
from dfa_tune.results.store import Store


@pytest.fixture
def plan(plan):
    """The plan with the data set's digest, as a run has it."""
    from dfa_tune.planning.plan import Plan
    from dfa_tune.problems.datasets import content_digest

    return lambda *overrides: Plan(plan(*overrides).sweep, content_digest("digits"))


def publish(results, rows) -> None:
    Store(results, "tiny").publish("some", rows, {})


def test_a_finished_sweep_is_loaded_whole(space, plan, trained, tmp_path) -> None:
    rows = trained(plan()).rows
    publish(tmp_path / "results", rows)
    found = load_results(space, tmp_path / "results")
    assert len(found) == len(rows) == (2 * 3 + 2 * 3) * 4  # (rates + repetitions) of two methods, 4 epochs
    assert set(found.trial_id) == set(rows.trial_id)


def test_scores_are_the_same_where_only_their_columns_are_read(space, plan, trained, tmp_path) -> None:
    publish(tmp_path, trained(plan()).rows)
    whole, small = (load_sweep_results(space, tmp_path, scores_only=only) for only in (False, True))
    assert small.scores == whole.scores
    assert [cell.choice(small.scores) for cell in small.plan.cells] == [
        cell.choice(whole.scores) for cell in whole.plan.cells
    ]
    assert len(small.rows.columns) <= 10
    assert load_sweep_results(space, tmp_path / "nothing", scores_only=True).rows.empty


def test_no_results_yet_are_no_rows_with_all_columns(space, tmp_path) -> None:
    found = load_results(space, tmp_path / "nothing")
    assert found.empty
    assert {"trial_id", "method", "test_accuracy"} <= set(found.columns)


def test_trials_of_the_same_space_with_other_settings_are_not_shown(space, plan, trained, tmp_path) -> None:
    rows, others = trained(plan()).rows, trained(plan("problem.k=1")).rows
    store = Store(tmp_path, "tiny")
    store.publish("three", rows, {})
    store.publish("one", others, {})
    assert set(load_results(space, tmp_path).k) == {3}
    assert set(load_results(space, tmp_path, overrides=["problem.k=1"]).k) == {1}


def test_repetitions_at_a_rate_that_is_not_the_chosen_one_are_not_shown(
    space, plan, trained, learning, tmp_path
) -> None:
    chosen = trained(plan()).rows
    other = trained(plan("learning_rates.sgd=1.0")).rows  # the same seeds at a rate that loses
    store = Store(tmp_path, "tiny")
    store.publish("a", chosen, {})
    store.publish("b", other, {})
    found = load_results(space, tmp_path)
    assert set(found[found.stage == "repeat"].learning_rate) == {0.1}


def test_all_repetitions_that_are_there_are_shown_unless_an_option_gives_their_number(
    space, plan, trained, tmp_path
) -> None:
    publish(tmp_path, trained(plan("repetitions=5")).rows)

    def numbers(*overrides: str) -> list[int]:
        found = load_sweep_results(space, tmp_path, overrides=overrides)
        return sorted(found.rows["repetition"].dropna().unique().tolist())

    assert load_sweep(space).repetitions.max == 3
    assert numbers() == [1, 2, 3, 4, 5]
    assert numbers("repetitions=2") == [1, 2]
    assert numbers("repetitions={min: 2, max: 4}") == [1, 2, 3, 4]


def test_rows_from_before_repetitions_had_a_column_are_in_their_order(space, plan, trained, tmp_path) -> None:
    rows = trained(plan()).rows
    publish(tmp_path, rows.drop(columns="repetition"))
    for only in (False, True):
        found = load_sweep_results(space, tmp_path, scores_only=only)
        repeats = found.rows[found.rows.stage == "repeat"]
        assert dict(zip(repeats.seed, repeats.repetition, strict=True)) == {
            seed: number for number, seed in enumerate(found.sweep.repetition_seeds[:3], 1)
        }
        assert found.rows[found.rows.stage == "tune"].repetition.isna().all()


def test_the_stage_is_the_one_that_the_space_gives(space, plan, trained, tmp_path) -> None:
    rows = trained(plan()).rows
    publish(tmp_path, rows.assign(stage="tune"))
    found = load_results(space, tmp_path)
    assert (found.stage == "repeat").sum() == 2 * 3 * 4


def test_one_method_can_be_kept(space, plan, trained, tmp_path) -> None:
    publish(tmp_path, trained(plan()).rows)
    assert set(load_results(space, tmp_path, methods=["dfa-sgd"]).method) == {"dfa-sgd"}


def test_a_loaded_sweep_will_do(space, plan, trained, tmp_path) -> None:
    publish(tmp_path, trained(plan()).rows)
    assert len(load_results(load_sweep(space), tmp_path)) == 48
    with pytest.raises(UserError, match="taken as it is"):
        load_results(load_sweep(space), tmp_path, methods=["dfa-sgd"])


def test_results_are_read_where_the_data_set_is_missing(space, plan, trained, tmp_path) -> None:
    from dfa_tune.planning.plan import Plan

    overrides = ["problem.dataset=kmnist"]
    rows = trained(Plan(plan(*overrides).sweep, "0123456789abcdef")).rows
    publish(tmp_path, rows)
    found = load_sweep_results(space, tmp_path, data=tmp_path / "no data", overrides=overrides)
    assert len(found.rows) == 48
    assert found.plan.cells[0].tune_trials[0].data_digest == "0123456789abcdef"


def test_two_versions_of_a_missing_data_set_are_not_mixed(space, plan, trained, tmp_path) -> None:
    from dfa_tune.planning.plan import Plan

    overrides = ["problem.dataset=kmnist"]
    for digest in ("0123456789abcdef", "fedcba9876543210"):
        Store(tmp_path, "tiny").publish(digest, trained(Plan(plan(*overrides).sweep, digest)).rows, {})
    with pytest.raises(UserError, match="2 different versions"):
        load_results(space, tmp_path, data=tmp_path / "no data", overrides=overrides)


def test_analysis_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys; import dfa_tune.analysis.figures;"
        "print([m for m in ('torch', 'torchvision', 'ray', 'matplotlib.pyplot') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

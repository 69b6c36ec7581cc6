"""The plan: what is due, given what is known; no trial is trained here."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.trial import Trial
from dfa_tune.planning.tuning import between

BASE = {
    "name": "tiny",
    "problem": {"kind": "parity", "dataset": "digits", "k": 3, "train_samples": 100, "test_samples": 50},
    "methods": [{"rule": ["bp", "dfa"], "optimizer": "sgd"}],
    "learning_rates": {"sgd": {"low": 0.001, "high": 1.0, "points": 4}},
}
NAN = float("nan")


@pytest.fixture
def plan(tmp_path: Path):
    def _plan(*overrides: str, digest=None, **changes) -> Plan:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(BASE | changes))
        return Plan(load_sweep(path, overrides=overrides), digest)

    return _plan


def scored(trials: list[Trial], score: Callable[[float], float]) -> dict[str, float]:
    """Scores by learning rate."""
    return {trial.id: score(trial.learning_rate) for trial in trials}


def near(best: float) -> Callable[[float], float]:
    """Highest at the rate `best`."""
    return lambda rate: -abs(math.log(rate / best))


def finished(plan: Plan, score: Callable[[float], float]) -> dict[str, float]:
    """The scores when everything that ever becomes due is done."""
    scores: dict[str, float] = {}
    while new := [trial for trial in plan.due(scores) if trial.id not in scores]:
        scores |= scored(new, score)
    return scores


def test_at_first_every_learning_rate_is_due_and_no_repetition(plan) -> None:
    due = plan().due({})
    assert [(t.method.rule, t.learning_rate) for t in due] == [
        (rule, rate) for rule in ("bp", "dfa") for rate in (0.001, 0.01, 0.1, 1.0)
    ]
    assert {(trial.stage, trial.seed) for trial in due} == {("tune", 0)}


def test_a_method_is_repeated_as_soon_as_its_own_rates_are_known(plan) -> None:
    plan = plan()
    bp, dfa = plan.cells
    scores = scored(bp.tune_trials, near(0.1))
    assert [trial.learning_rate for trial in bp.repeat_trials(scores)] == [0.1] * 3
    assert dfa.repeat_trials(scores) is None
    assert len(plan.due(scores)) == 8 + 3


def test_nothing_is_chosen_while_one_rate_is_unknown(plan) -> None:
    cell = plan().cells[0]
    assert cell.choice(scored(cell.tune_trials[1:], near(0.1))) is None


def test_repetitions_have_the_same_fresh_seeds_for_every_method(plan) -> None:
    plan = plan()
    scores = finished(plan, near(0.1))
    bp, dfa = ([trial.seed for trial in cell.repeat_trials(scores)] for cell in plan.cells)
    assert bp == dfa == list(plan.sweep.repetition_seeds)
    assert 0 not in bp


def test_a_given_rate_is_repeated_without_tuning(plan) -> None:
    cell = plan(learning_rates={"sgd": 0.5}).cells[0]
    assert cell.tune_trials == []
    assert (cell.choice({}).learning_rate, cell.choice({}).score, cell.choice({}).at_edge) == (
        0.5,
        None,
        False,
    )
    assert [trial.stage for trial in cell.due({})] == ["repeat"] * 3


def test_the_highest_accuracy_wins_and_the_lowest_loss(plan) -> None:
    for metric, expected in (("test_accuracy", 1.0), ("test_loss", 0.001)):
        cell = plan(f"tuning.metric={metric}").cells[0]
        assert cell.choice(scored(cell.tune_trials, lambda rate: rate)).learning_rate == expected


def test_a_diverged_rate_never_wins(plan) -> None:
    cell = plan().cells[0]
    choice = cell.choice(scored(cell.tune_trials, lambda rate: 0.01 if rate == 0.1 else NAN))
    assert (choice.learning_rate, choice.score) == (0.1, 0.01)


def test_where_every_rate_diverged_the_lowest_is_repeated(plan) -> None:
    choice = (cell := plan().cells[0]).choice(scored(cell.tune_trials, lambda rate: NAN))
    assert choice.learning_rate == 0.001
    assert math.isnan(choice.score)


def test_of_equals_the_lower_rate_wins(plan) -> None:
    cell = plan().cells[0]
    assert cell.choice(scored(cell.tune_trials, lambda rate: 0.5)).learning_rate == 0.001


@pytest.mark.parametrize(("best", "at_edge"), [(0.001, True), (0.01, False), (1.0, True)])
def test_a_rate_at_the_end_of_its_range_is_at_the_edge(plan, best: float, at_edge: bool) -> None:
    cell = plan().cells[0]
    assert cell.choice(scored(cell.tune_trials, near(best))).at_edge is at_edge


def test_refining_tries_rates_between_the_best_ones_neighbours_then_chooses_among_all(plan) -> None:
    cell = plan("tuning.refine=4").cells[0]
    scores = scored(cell.tune_trials, near(0.05))  # best of the first round: 0.1
    assert cell.choice(scores) is None
    refined = [trial for trial in cell.due(scores) if trial.id not in scores]
    assert {(trial.stage, trial.seed) for trial in refined} == {("tune", 0)}
    # a third and two thirds of the decade below 0.1, and of the one above
    expected = [10 ** (-2 + 1 / 3), 10 ** (-2 + 2 / 3), 10 ** (-1 + 1 / 3), 10 ** (-1 + 2 / 3)]
    assert [trial.learning_rate for trial in refined] == pytest.approx(expected, rel=5e-6)
    choice = cell.choice(scores | scored(refined, near(0.05)))
    assert choice.learning_rate == pytest.approx(10 ** (-2 + 2 / 3), rel=5e-6)
    assert not choice.at_edge


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("best", [0.1, 0.2, 0.4])
def test_refining_gives_as_many_new_rates_as_asked_inside_the_neighbours(best: float, count: int) -> None:
    new = between([0.1, 0.2, 0.4], best, count)
    assert len(set(new) - {0.1, 0.2, 0.4}) == count
    low, high = {0.1: (0.1, 0.2), 0.2: (0.1, 0.4), 0.4: (0.2, 0.4)}[best]
    assert all(low < rate < high for rate in new)


def test_rates_closer_than_six_digits_are_refined_all_the_same() -> None:
    assert len(set(between([0.1, 0.1000001], 0.1, 3))) == 3


def test_each_point_of_an_axis_is_tuned_for_itself(plan) -> None:
    plan = plan("problem.k=[1, 3]")
    assert [(cell.method.rule, cell.axes) for cell in plan.cells] == [
        (rule, {"k": k}) for rule in ("bp", "dfa") for k in (1, 3)
    ]
    one, three = plan.cells[:2]
    scores = scored(one.tune_trials, near(0.01)) | scored(three.tune_trials, near(0.1))
    assert [cell.choice(scores).learning_rate for cell in (one, three)] == [0.01, 0.1]


def test_axes_have_their_columns_values(plan) -> None:
    plan = plan("network.hidden=[[8], [8, 4]]", "training.batch_size=[10, full]")
    assert plan.cells[0].axes == {"hidden": "8", "batch_size": 10}
    assert plan.cells[-1].axes == {"hidden": "8,4", "batch_size": 100}
    trial = plan.cells[-1].tune_trials[0].columns()
    assert {name: trial[name] for name in plan.cells[-1].axes} == plan.cells[-1].axes


def test_a_rate_tuned_at_one_point_is_reused_along_the_axis(plan) -> None:
    plan = plan("problem.k=[1, 3]", "tuning.at={problem.k: 3}", "tuning.refine=2")
    one, three = plan.cells[:2]
    assert (one.tune_trials, len(three.tune_trials)) == ([], 4)
    assert {trial.problem.k for trial in plan.due({})} == {3}
    scores = finished(plan, near(0.1))
    assert one.choice(scores) == three.choice(scores)
    assert [(t.problem.k, t.learning_rate) for t in one.due(scores)] == [(1, 0.1)] * 3
    assert len(three.due(scores)) == 4 + 2 + 3


def test_a_rate_tuned_off_the_axis_is_tuned_once_and_reused(plan) -> None:
    plan = plan("network.activation=[relu, tanh]", "tuning.at={problem.k: 1, network.activation: relu}")
    first, second = plan.cells[:2]
    assert [trial.problem.k for trial in first.tune_trials] == [1] * 4
    assert second.tune_trials == []
    scores = finished(plan, near(0.1))
    assert {trial.problem.k for cell in (first, second) for trial in cell.repeat_trials(scores)} == {3}


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("problem.k=[1, 3]", "tuning.refine=3"),
        ("problem.k=[1, 2, 3]", "tuning.refine=2", "tuning.at={problem.k: 2}"),
        ("tuning.at={problem.k: 1}",),
        ("problem.k=[3, 3]",),
        ("training.batch_size=[100, full]",),
        ("network.feature_std=[0.1, 0.2]", "methods.0.rule=[bp, gaussian_features]"),
        ("network.feature_std=[0.1, 0.2]", "tuning.at={network.feature_std: 0.2}"),
        ("tuning.split=validation", "repetitions=5"),
        ("learning_rates.sgd=0.1",),
        ("tuning.seeds=3", "tuning.refine=2"),
    ],
)
def test_what_is_planned_is_what_becomes_due_each_trial_once(plan, options: tuple[str, ...]) -> None:
    plan = plan(*options)
    for score in (near(0.1), near(0.001), lambda rate: NAN):
        due = plan.due(finished(plan, score))
        assert len({trial.id for trial in due}) == len(due) == plan.planned


def test_a_method_that_an_axis_does_not_concern_has_one_cell(plan) -> None:
    plan = plan("network.feature_std=[0.1, 0.2]", "methods.0.rule=[bp, gaussian_features]")
    assert [(cell.method.rule, cell.axes["feature_std"]) for cell in plan.cells] == [
        ("bp", None),
        ("gaussian_features", 0.1),
        ("gaussian_features", 0.2),
    ]


def test_an_optimizers_options_are_axes_of_the_methods_that_have_it(plan) -> None:
    plan = plan(
        "methods.0.optimizer=[sgd, rmsprop]",
        "learning_rates.rmsprop=0.001",
        "optimizers.rmsprop.rho=[0.8, 0.99]",
        "optimizers.sgd.weight_decay=[0, 0.1]",
        "training.weight_decay=0.01",
        methods=[{"rule": "bp", "optimizer": "sgd"}],
    )
    assert [(cell.method.name, cell.axes) for cell in plan.cells] == [
        ("bp-sgd", {"rho": None, "weight_decay": 0.0}),
        ("bp-sgd", {"rho": None, "weight_decay": 0.1}),
        ("bp-rmsprop", {"rho": 0.8, "weight_decay": 0.01}),
        ("bp-rmsprop", {"rho": 0.99, "weight_decay": 0.01}),
    ]
    trials = [cell.repeats[0] for cell in plan.cells]
    assert [trial.training.weight_decay for trial in trials] == [0.0, 0.1, 0.01, 0.01]
    assert [dict(trial.options) for trial in trials] == [{}, {}, {"rho": 0.8}, {"rho": 0.99}]


def test_the_scale_of_the_feedback_is_an_axis_of_the_methods_with_feedback(plan) -> None:
    plan = plan("network.feedback_scale=[0.5, 1]")
    assert [(cell.method.rule, cell.axes) for cell in plan.cells] == [
        ("bp", {"feedback_scale": None}),
        ("dfa", {"feedback_scale": 0.5}),
        ("dfa", {"feedback_scale": 1.0}),
    ]


def test_rates_may_be_tuned_at_one_value_of_an_optimizers_option(plan) -> None:
    plan = plan("optimizers.sgd.weight_decay=[0, 0.1]", "tuning.at={optimizers.sgd.weight_decay: 0.1}")
    assert {trial.training.weight_decay for trial in plan.due({})} == {0.1}


def test_a_rate_chosen_on_validation_is_repeated_on_the_test_set(plan) -> None:
    plan = plan("tuning.split=validation")
    due = plan.due(finished(plan, near(0.1)))
    assert {(trial.stage, trial.split) for trial in due} == {("tune", "validation"), ("repeat", "test")}


def test_trials_carry_the_content_of_their_data_set(plan) -> None:
    assert {trial.data_digest for trial in plan(digest="abc").due({})} == {"abc"}
    both = plan("problem.dataset=[digits, kmnist]", digest={"digits": "abc", "kmnist": "def"})
    found = {(trial.problem.dataset, trial.data_digest) for trial in both.due({})}
    assert found == {("digits", "abc"), ("kmnist", "def")}
    with pytest.raises(ValueError, match="one digest for several data sets"):
        plan("problem.dataset=[digits, kmnist]", digest="abc")


def test_ten_thousand_trials_are_planned(plan) -> None:
    """How long that takes is measured by `python -m benchmarks orchestration`."""
    methods = [{"rule": ["bp", "dfa"], "optimizer": "sgd"}]
    plan = plan("problem.k=" + str(list(range(1, 51))), "repetitions=96", methods=methods)
    scores = finished(plan, near(0.1))
    assert len(scores) == plan.planned == 10_000


# -- several tuning seeds


def test_a_rate_is_chosen_by_its_mean_over_the_tuning_seeds(plan) -> None:
    """The rate 1.0 is the best with the first seed alone, and collapses with the second."""
    plan = plan("tuning.seeds=2")
    cell, first = plan.cells[0], plan.sweep.seed
    values = {(0.1, True): 0.8, (0.1, False): 0.7, (1.0, True): 0.9, (1.0, False): 0.5}
    scores = {
        trial.id: values.get((trial.learning_rate, trial.seed == first), 0.6) for trial in cell.tune_trials
    }
    choice = cell.choice(scores)
    assert (choice.learning_rate, choice.by_seed) == (0.1, (0.8, 0.7))
    assert choice.score == pytest.approx((0.8 + 0.7) / 2)


def test_a_rate_that_diverges_with_one_tuning_seed_is_not_chosen(plan) -> None:
    cell = plan("tuning.seeds=2").cells[0]
    scores = scored(cell.tune_trials, near(1.0))
    scores[cell.tune_trials[-1].id] = NAN
    assert cell.tune_trials[-1].learning_rate == 1.0
    assert cell.choice(scores).learning_rate == 0.1


def test_nothing_is_chosen_while_one_tuning_seed_is_unknown(plan) -> None:
    cell = plan("tuning.seeds=2").cells[0]
    scores = scored(cell.tune_trials, near(0.1))
    del scores[cell.tune_trials[-1].id]
    assert cell.choice(scores) is None
    assert cell.best_so_far(scores).learning_rate == 0.1  # both of its seeds are known


def test_tuning_seeds_begin_with_the_spaces_own_and_are_never_those_of_repetitions(plan) -> None:
    one, three = plan().sweep, plan("tuning.seeds=3").sweep
    assert one.tuning_seeds == (one.seed,)
    assert three.tuning_seeds[0] == three.seed
    assert len({*three.tuning_seeds, *three.repetition_seeds}) == 3 + 3
    assert three.repetition_seeds == one.repetition_seeds


def test_two_files_of_equal_size_are_two_data_sets_before_their_digests_are_known(
    plan, tmp_path: Path
) -> None:
    x, y = np.arange(48.0).reshape(12, 4), np.arange(12) % 3
    names = [str(tmp_path / f"{name}.npz") for name in "ab"]
    for sign, name in zip((1, -1), names, strict=True):
        np.savez(name, x_train=sign * x, y_train=y, x_test=sign * x, y_test=y)
    problem = {"kind": "classification", "dataset": names}
    for digest in (None, dict.fromkeys(names), {names[0]: "0" * 16, names[1]: "1" * 16}):
        found = plan(digest=digest, problem=problem)
        assert [cell.axes["dataset"] for cell in found.cells] == ["a.npz", "b.npz"] * 2
        assert found.tunings == 16

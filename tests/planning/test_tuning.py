"""What a method's tuning tries, stops and chooses, by scores that are given; nothing is trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from dfa_tune.config.tuned import Listed
from dfa_tune.errors import UserError
from dfa_tune.planning.candidates import recorded
from dfa_tune.planning.plan import Cell, Plan
from dfa_tune.planning.scores import known_scores
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.trial import Trial
from dfa_tune.planning.tuning import at_rung

BASE: dict[str, Any] = {
    "name": "tiny",
    "problem": {"kind": "parity", "dataset": "digits", "k": 3, "train_samples": 100, "test_samples": 50},
    "training": {"epochs": 20},
    "methods": [{"rule": ["bp", "dfa"], "optimizer": ["sgd", "momentum"]}],
    "learning_rates": {
        "sgd": {"low": 0.001, "high": 1.0, "points": 4},
        "momentum": {"low": 0.001, "high": 1.0, "points": 4},
    },
    "repetitions": 2,
}
WITH: dict[str, Any] = {
    "training.weight_decay": [0, 1e-3],
    "optimizers.momentum.rho": {"low": 0.5, "high": 0.9, "points": 3},
    "network.feedback_scale": {"low": 0.1, "high": 10, "log": True, "points": 3},
}
STOP = {"after": [3, 7], "keep": 0.5}
MakePlan = Callable[..., Plan]
Score = Callable[[Trial, int], float]


@pytest.fixture
def plan(tmp_path: Path) -> MakePlan:
    """plan({"sampler": "random", "trials": 8}): the plan of BASE with this `tuning`."""

    def make(tuning: dict[str, Any], **changes: Any) -> Plan:
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(BASE | {"tuning": tuning} | changes))
        return Plan(load_sweep(tmp_path / "tiny.yaml"), "0" * 16)

    return make


def cell(plan: Plan, method: str) -> Cell:
    return next(cell for cell in plan.cells if cell.method.name == method)


def key(trial: Trial) -> str:
    return trial.id if trial.until is None else at_rung(trial.id, trial.until)


def near(trial: Trial, epoch: int) -> float:
    """Best at the rate 0.05, the feedback as drawn, and without weight decay; better every epoch."""
    off = abs(math.log(trial.learning_rate / 0.05)) + abs(math.log(trial.network.feedback_scale))
    return epoch / 100 - off - 100 * trial.training.weight_decay


def train(one: Cell, scores: dict[str, float], score: Score = near) -> list[Trial]:
    """Give everything that is due now its score; what was due."""
    due = [trial for trial in one.tuning_due(scores) if key(trial) not in scores]
    scores |= {key(trial): score(trial, trial.until or trial.training.epochs) for trial in due}
    return due


def tuned(one: Cell, score: Score = near) -> dict[str, float]:
    scores: dict[str, float] = {}
    while train(one, scores, score):
        pass
    return scores


# -- several parameters


def test_a_grid_has_every_combination_of_what_concerns_the_method(plan: MakePlan) -> None:
    found = plan({"with": WITH})
    counts = {one.method.name: len(one.tune_trials) for one in found.cells}
    # 4 rates, 2 decays; 3 values of momentum's rho; 3 scales where there is a feedback
    assert counts == {"bp-sgd": 8, "bp-momentum": 24, "dfa-sgd": 24, "dfa-momentum": 72}
    assert found.tunings == sum(counts.values())
    trials = cell(found, "dfa-momentum").tune_trials
    assert {trial.options["rho"] for trial in trials} == {0.5, 0.7, 0.9}
    assert {trial.network.feedback_scale for trial in trials} == {0.1, 1.0, 10.0}
    assert {trial.training.weight_decay for trial in trials} == {0.0, 0.001}
    assert len({trial.id for trial in trials}) == 72


def test_all_parameters_of_the_best_setting_are_those_of_the_repetitions(plan: MakePlan) -> None:
    one = cell(plan({"with": WITH}), "dfa-momentum")
    scores = tuned(one, lambda trial, epoch: near(trial, epoch) + trial.options["rho"])
    choice = one.choice(scores)
    assert choice is not None
    assert choice.values == {
        "training.weight_decay": 0.0,
        "optimizers.momentum.rho": 0.9,
        "network.feedback_scale": 1.0,
    }
    # The highest rho tried; a feedback inside its range; and no decay is below 0
    assert choice.edges == {
        "training.weight_decay": False,
        "optimizers.momentum.rho": True,
        "network.feedback_scale": False,
    }
    assert (choice.learning_rate, choice.at_edge) == (0.1, False)
    repeats = one.repeat_trials(scores) or []
    assert [(t.learning_rate, t.options["rho"], t.network.feedback_scale) for t in repeats] == [
        (0.1, 0.9, 1)
    ] * 2


def test_a_setting_at_the_spaces_own_values_is_the_trial_that_there_was_without_with(plan: MakePlan) -> None:
    alone = {trial.id for trial in cell(plan({}), "dfa-sgd").tune_trials}
    together = {trial.id for trial in cell(plan({"with": WITH}), "dfa-sgd").tune_trials}
    assert alone < together


def test_a_single_rate_is_tuned_where_something_else_is_chosen(plan: MakePlan) -> None:
    found = plan(
        {"with": {"network.feedback_scale": [0.5, 1, 2]}}, learning_rates={"sgd": 0.1, "momentum": 0.1}
    )
    assert cell(found, "bp-sgd").tune_trials == []
    dfa = cell(found, "dfa-sgd")
    choice = dfa.choice(tuned(dfa))
    assert choice is not None
    assert (choice.values, choice.at_edge) == ({"network.feedback_scale": 1.0}, False)


def test_a_parameter_with_one_value_is_no_choice_and_holds_all_the_same(plan: MakePlan) -> None:
    found = plan({"with": {"training.weight_decay": [0.5]}}, learning_rates={"sgd": 0.1, "momentum": 0.1})
    repeats = cell(found, "bp-sgd").repeat_trials({}) or []
    assert [trial.training.weight_decay for trial in repeats] == [0.5, 0.5]


def test_an_optimizers_own_decay_goes_before_that_of_the_training(plan: MakePlan) -> None:
    further = {"training.weight_decay": [0, 0.1], "optimizers.sgd.weight_decay": [0.3, 0.4, 0.5]}
    found = plan({"with": further})
    assert {t.training.weight_decay for t in cell(found, "bp-sgd").tune_trials} == {0.3, 0.4, 0.5}
    assert {t.training.weight_decay for t in cell(found, "bp-momentum").tune_trials} == {0.0, 0.1}


def test_lists_of_widths_and_full_batches_may_be_chosen(plan: MakePlan) -> None:
    found = plan({"with": {"network.hidden": [8, [8, 4]], "training.batch_size": [10, "full"]}})
    trials = cell(found, "bp-sgd").tune_trials
    assert {trial.network.hidden for trial in trials} == {(8,), (8, 4)}
    assert {trial.training.batch_size for trial in trials} == {10, 100}  # full: all 100 tuples


def test_refined_rates_keep_the_other_parameters_of_the_best_setting(plan: MakePlan) -> None:
    one = cell(plan({"with": WITH, "refine": 2}), "bp-sgd")
    scores: dict[str, float] = {}
    train(one, scores)
    refined = train(one, scores)
    assert [trial.training.weight_decay for trial in refined] == [0.0, 0.0]
    assert all(0.01 < trial.learning_rate < 1.0 for trial in refined)


def test_a_recorded_trial_is_found_again_by_its_columns(plan: MakePlan) -> None:
    further = WITH | {"network.hidden": [8, [8, 4]]}
    found = plan({"with": further, "sampler": "random", "trials": 3})
    for one in found.cells:
        for trial in one.tune_trials:
            assert found.trial(trial.id, pd.Series(trial.columns())) == trial


# -- samplers


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_as_many_different_settings_are_drawn_as_asked_within_their_ranges(
    plan: MakePlan, sampler: str
) -> None:
    found = plan({"with": WITH, "sampler": sampler, "trials": 10})
    assert found.tunings == 4 * 10
    one = cell(found, "dfa-momentum")
    scores = tuned(one)
    trials = one.tuning_due(scores)
    assert len({trial.id for trial in trials}) == 10
    assert all(0.001 <= trial.learning_rate <= 1.0 for trial in trials)
    assert all(0.5 <= trial.options["rho"] <= 0.9 for trial in trials)
    assert {trial.training.weight_decay for trial in trials} == {0.0, 0.001}
    assert one.choice(scores) is not None
    assert one.budget(scores).epochs == 10 * 20


def test_random_rates_are_spread_evenly_over_the_decades(plan: MakePlan) -> None:
    rates = [
        trial.learning_rate
        for trial in cell(plan({"sampler": "random", "trials": 300}), "bp-sgd").tune_trials
    ]
    decades = [math.floor(math.log10(rate)) for rate in rates]
    # 100 in each of three decades, standard deviation 8
    assert all(70 < decades.count(decade) < 130 for decade in (-3, -2, -1))


def test_methods_with_the_same_parameters_draw_the_same_rates(plan: MakePlan) -> None:
    found = plan({"sampler": "random", "trials": 5})
    bp, dfa = ([t.learning_rate for t in cell(found, name).tune_trials] for name in ("bp-sgd", "dfa-sgd"))
    assert bp == dfa


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_what_is_drawn_follows_from_the_seed_and_the_scores_alone(plan: MakePlan, sampler: str) -> None:
    tuning = {"with": WITH, "sampler": sampler, "trials": 12}
    first, again, other = plan(tuning), plan(tuning), plan(tuning, seed=1)
    scores = tuned(cell(first, "dfa-sgd"))
    rates = [[t.learning_rate for t in cell(one, "dfa-sgd").tuning_due(scores)] for one in (first, again)]
    assert rates[0] == rates[1]  # a plan that has drawn nothing before
    other_rates = [t.learning_rate for t in cell(other, "dfa-sgd").tuning_due(tuned(cell(other, "dfa-sgd")))]
    assert not set(rates[0]) & set(other_rates)


def test_tpe_suggests_four_at_a_time_and_none_before_the_round_is_complete(plan: MakePlan) -> None:
    one = cell(plan({"sampler": "tpe", "trials": 10}), "bp-sgd")
    scores: dict[str, float] = {}
    first = train(one, scores)
    last = scores.pop(first[-1].id)
    assert (len(first), one.tuning_due(scores)) == (4, first)
    scores[first[-1].id] = last
    assert [len(train(one, scores)) for _ in range(3)] == [4, 2, 0]
    assert one.choice(scores) is not None


def test_tpe_comes_nearer_to_the_best_rate_than_its_random_start(plan: MakePlan) -> None:
    one = cell(plan({"sampler": "tpe", "trials": 32}), "bp-sgd")
    rates = [abs(math.log(trial.learning_rate / 0.05)) for trial in one.tuning_due(tuned(one))]
    assert sum(rates[8:]) / 24 < 0.6 * sum(rates[:8]) / 8


def test_tpe_takes_a_diverged_setting_for_the_worst(plan: MakePlan) -> None:
    one = cell(plan({"sampler": "tpe", "trials": 32}), "bp-sgd")
    scores = tuned(one, lambda trial, epoch: math.nan if trial.learning_rate > 0.02 else 0.5)
    rates = [trial.learning_rate for trial in one.tuning_due(scores)]
    assert sum(rate > 0.02 for rate in rates[16:]) < sum(rate > 0.02 for rate in rates[:8])


def test_every_setting_of_a_short_list_is_drawn_when_so_many_are_asked_for(plan: MakePlan) -> None:
    rates = {"sgd": [0.1, 0.2, 0.3, 0.4, 0.5], "momentum": 0.1}
    for sampler in ("random", "tpe"):
        one = cell(plan({"sampler": sampler, "trials": 5}, learning_rates=rates), "bp-sgd")
        assert sorted(t.learning_rate for t in one.tuning_due(tuned(one))) == rates["sgd"]


# -- stopping


def curves(table: dict[float, tuple[float, float, float]]) -> Score:
    """The score of each rate after epochs 3, 7 and 20."""
    return lambda trial, epoch: table[trial.learning_rate][[3, 7, 20].index(epoch)]


CURVES = {0.001: (0.5, 0.5, 0.5), 0.01: (0.6, 0.6, 0.6), 0.1: (0.7, 0.8, 0.9), 1.0: (0.8, 0.7, 0.99)}


def test_the_better_half_goes_on_at_each_rung_and_the_best_of_the_last_is_chosen(plan: MakePlan) -> None:
    one = cell(plan({"stop": STOP}), "bp-sgd")
    scores: dict[str, float] = {}
    found = [[(t.learning_rate, t.until) for t in train(one, scores, curves(CURVES))] for _ in range(4)]
    assert found == [
        [(rate, 3) for rate in CURVES],
        [(0.1, 7), (1.0, 7)],
        [(0.1, None)],
        [],
    ]
    choice = one.choice(scores)
    assert choice is not None
    assert (choice.learning_rate, choice.score) == (0.1, 0.9)  # 1.0 would have been better, and was stopped
    stopped = {t.learning_rate: t.until for t in one.tuning_due(scores) if t.id in one.stopped(scores)}
    assert stopped == {0.001: 3, 0.01: 3, 1.0: 7}
    budget = one.budget(scores)
    assert (budget.trials, budget.stopped, budget.epochs) == (4, 3, 3 + 3 + 7 + 20)


def test_who_is_stopped_does_not_depend_on_who_is_known_first(plan: MakePlan) -> None:
    one = cell(plan({"stop": STOP}), "bp-sgd")
    trials = {trial.learning_rate: trial for trial in one.tuning_due({})}
    scores = {key(trials[rate]): CURVES[rate][0] for rate in (0.001, 0.01, 0.1)}
    assert one.stopped(scores) == set()  # one is missing
    assert {trial.until for trial in one.tuning_due(scores)} == {3}
    scores[key(trials[1.0])] = CURVES[1.0][0]
    assert one.stopped(scores) == {trials[0.001].id, trials[0.01].id}


@pytest.mark.parametrize(("keep", "left"), [(0.5, 2), (0.51, 3), (0.25, 1), (0.01, 1), (0.99, 4)])
def test_as_many_are_kept_as_the_share_rounded_up(plan: MakePlan, keep: float, left: int) -> None:
    one = cell(plan({"stop": {"after": [3], "keep": keep}}), "bp-sgd")
    scores: dict[str, float] = {}
    train(one, scores)
    assert len(train(one, scores)) == left


def test_what_has_diverged_by_a_rung_is_stopped_first(plan: MakePlan) -> None:
    one = cell(plan({"stop": STOP}), "bp-sgd")
    scores: dict[str, float] = {}
    train(one, scores, lambda trial, epoch: math.nan if trial.learning_rate > 0.05 else trial.learning_rate)
    assert [trial.learning_rate for trial in train(one, scores)] == [0.001, 0.01]


def test_the_lowest_losses_go_on(plan: MakePlan) -> None:
    one = cell(plan({"stop": STOP, "metric": "test_loss"}), "bp-sgd")
    scores: dict[str, float] = {}
    train(one, scores, curves(CURVES))
    assert [trial.learning_rate for trial in train(one, scores, curves(CURVES))] == [0.001, 0.01]


def test_all_seeds_of_a_setting_are_stopped_by_their_mean(plan: MakePlan) -> None:
    one = cell(plan({"stop": {"after": [3], "keep": 0.25}, "seeds": 2}), "bp-sgd")
    scores: dict[str, float] = {}
    values = {(0.1, True): 0.9, (0.1, False): 0.1, (0.01, True): 0.6, (0.01, False): 0.6}
    train(one, scores, lambda t, epoch: values.get((t.learning_rate, t.seed == 0), 0.4))
    assert [trial.learning_rate for trial in train(one, scores)] == [0.01, 0.01]


def test_a_setting_that_is_stopped_is_not_chosen_even_if_all_of_it_is_known(plan: MakePlan) -> None:
    """As it is where the space ran without `stop` before: the choice is the rule's alone."""
    one, whole = cell(plan({"stop": STOP}), "bp-sgd"), cell(plan({}), "bp-sgd")
    scores = {trial.id: CURVES[trial.learning_rate][2] for trial in whole.tune_trials}
    for trial in whole.tune_trials:
        rates = CURVES[trial.learning_rate]
        scores |= {at_rung(trial.id, 3): rates[0], at_rung(trial.id, 7): rates[1]}
    choice = one.choice(scores)
    assert choice is not None
    assert (choice.learning_rate, choice.score) == (0.1, 0.9)


def test_later_rounds_are_measured_by_all_before_them(plan: MakePlan) -> None:
    """Of the four settings of TPE's second round those go on that are in the better half of all eight."""
    one = cell(plan({"sampler": "tpe", "trials": 8, "stop": {"after": [3], "keep": 0.5}}), "bp-sgd")
    scores: dict[str, float] = {}
    first = train(one, scores, lambda trial, epoch: 0.9)
    assert len(first) == 4
    assert len(train(one, scores, lambda trial, epoch: 0.9)) == 2
    second = train(one, scores, lambda trial, epoch: 0.1)
    assert (len(second), len(train(one, scores))) == (4, 0)  # none of them goes on
    assert one.choice(scores) is not None
    assert one.budget(scores).stopped == 6


def test_scores_at_a_rung_are_of_the_rows_up_to_it_and_do_not_know_what_comes_later() -> None:
    rows = pd.DataFrame(
        [
            {"trial_id": name, "epoch": epoch, "test_accuracy": value, "diverged": lost, "stopped": stopped}
            for name, values, lost, stopped in (
                ("done", [0.1, 0.2, 0.3, 0.4], False, False),
                ("lost later", [0.1, 0.5, 0.6, None], True, False),
                ("lost before", [0.1, None, None, None], True, False),
                ("stopped", [0.1, 0.2, 0.6], False, True),
                ("of before", [0.2, 0.2, 0.2, 0.2], False, None),
            )
            for epoch, value in enumerate(values, 1)
        ]
    )
    found = known_scores(rows, "test_accuracy", 2, [3])
    lost = [found.pop(name) for name in ("lost later", "lost before", at_rung("lost before", 3))]
    assert all(map(math.isnan, lost))
    assert found == pytest.approx(
        {
            "done": 0.35,
            "of before": 0.2,
            at_rung("done", 3): 0.25,
            at_rung("lost later", 3): 0.55,
            at_rung("stopped", 3): 0.4,
            at_rung("of before", 3): 0.2,
        }
    )


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_two_ways_to_write_a_value_are_one_setting(plan: MakePlan, sampler: str) -> None:
    clusters = {"kind": "clusters", "n": 256, "d": 5, "test_samples": 50}
    twice = {"training.batch_size": ["full", 256], "training.loss": [None, "binary_cross_entropy"]}
    rates = {"sgd": [0.1, 0.2, 0.3], "momentum": [0.1, 0.2, 0.3]}
    found = plan({"with": twice, "sampler": sampler, "trials": 3}, problem=clusters, learning_rates=rates)
    for one in found.cells:
        assert len({trial.id for trial in one.tune_trials}) == 3


def test_full_batches_are_those_of_each_point_wherever_they_were_tuned(plan: MakePlan) -> None:
    clusters = {"kind": "clusters", "n": [64, 128], "d": 5, "test_samples": 50}
    tuning = {"at": {"problem.n": 64}, "with": {"training.batch_size": ["full", 16]}}
    found = plan(tuning, problem=clusters, methods=[{"rule": "bp", "optimizer": "sgd"}])
    small = cell(found, "bp-sgd")
    scores = {t.id: 0.9 if t.training.batch_size == 64 else 0.6 for t in small.tune_trials}
    assert len(scores) == 8
    sizes = [(one.repeat_trials(scores) or [])[0].training.batch_size for one in found.cells]
    assert sizes == [64, 128]


def test_more_settings_than_there_are_is_an_error(plan: MakePlan) -> None:
    narrow = {"sgd": {"low": 1.0, "high": 1.0011}, "momentum": 0.1}
    with pytest.raises(UserError, match=r"tuning.trials: no further setting was found"):
        plan({"sampler": "random", "trials": 200}, learning_rates=narrow)


def test_however_few_are_kept_one_goes_on(plan: MakePlan) -> None:
    found = cell(plan({"stop": {"after": [3], "keep": 1e-10}}), "bp-sgd")
    scores = {at_rung(trial.id, 3): 0.5 for trial in found.tune_trials}
    assert len(found.stopped(scores)) == 3


def test_a_value_that_was_null_is_null_again_from_its_column() -> None:
    known = recorded({"network.feature_std": Listed((None, 0.1))}, {"feature_std": math.nan})
    assert known == {"network.feature_std": None}

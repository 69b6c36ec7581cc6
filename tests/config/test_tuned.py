"""`tuning.with`, samplers and `tuning.stop`: what they hold, and mistakes in them."""

from __future__ import annotations

from typing import Any

import pytest

from dfa_tune.config.tuned import Listed, Range
from dfa_tune.errors import UserError


def test_lists_and_ranges_are_read_with_the_types_of_their_fields(load) -> None:
    sweep = load(
        tuning={
            "with": {
                "training.weight_decay": ["1e-3", 0, 0],  # YAML takes 1e-3 for text
                "training.batch_size": {"low": 10, "high": 100, "log": True},
                "network.hidden": [8, [8, 4]],
                "network.activation": ["relu", "tanh"],
            },
            "sampler": "random",
            "trials": 5,
        }
    )
    assert sweep.further == {
        "training.weight_decay": Listed((0.001, 0.0)),
        "training.batch_size": Range(10, 100, log=True, whole=True),
        "network.hidden": Listed(((8,), (8, 4))),
        "network.activation": Listed(("relu", "tanh")),
    }


def test_a_range_of_rates_needs_points_in_a_grid_alone(load) -> None:
    rates = {"sgd": {"low": 0.001, "high": 1.0}}
    sweep = load(learning_rates=rates, tuning={"sampler": "tpe", "trials": 5})
    assert set(sweep.searched.values()) == {Range(0.001, 1.0, log=True)}
    with pytest.raises(UserError, match=r"learning_rates.sgd.points: missing"):
        load(learning_rates=rates)


@pytest.mark.parametrize(
    ("log", "values"), [(False, (0.0, 0.25, 0.5, 0.75, 1.0)), (True, (0.01, 0.0316228, 0.1, 0.316228, 1.0))]
)
def test_points_of_a_range_are_spaced_evenly_or_by_their_logarithms(log: bool, values: tuple[float]) -> None:
    assert Range(values[0], 1.0, log=log, points=5).grid == values


def test_drawn_numbers_have_six_digits_and_stay_in_their_range() -> None:
    assert Range(0.1, 0.3, log=False).rounded(0.123456789) == 0.123457
    assert Range(0.1, 0.29999999, log=False).rounded(0.29999998) == 0.29999999
    narrow = Range(0.1, 0.1000001, log=False)
    assert narrow.rounded(0.10000004999) == 0.10000004999


def number(key: str, value: Any) -> dict[str, Any]:
    return {"with": {key: value}, "sampler": "random", "trials": 3}


DECAY, SCALE = "training.weight_decay", "network.feedback_scale"
RANGE = {"low": 0, "high": 0.1}


@pytest.mark.parametrize(
    ("tuning", "says"),
    [
        ({"with": {"training.wd": [1]}}, r"with.training.wd: unknown key; valid: network.hidden, .*decay"),
        ({"with": {"problem.k": [1, 3]}}, r"tuning.with.problem.k: unknown key"),
        ({"with": {"optimizers.momentum.beta1": [0.5]}}, r"optimizers.momentum.beta1: unknown key"),
        ({"with": {"training.epochs": [5, 9]}}, r"training.epochs: cannot be tuned: .* equally many epochs"),
        ({"with": {"training.device": ["cpu"]}}, r"training.device: cannot be tuned: results do not depend"),
        ({"with": {DECAY: 0.1}}, r"decay = 0.1: valid: a list of values, or {low, high}"),
        ({"with": {DECAY: []}}, r"decay = \[\]: valid: a list of values"),
        ({"with": {DECAY: [-1]}}, r"tuning.with.training.weight_decay = -1: valid: at least 0"),
        ({"with": {"optimizers.sgd.weight_decay": [None, 0.1]}}, r"sgd.weight_decay = null: valid: numbers"),
        ({"with": {DECAY: [True]}}, r"decay = true: valid: a number"),
        ({"with": {DECAY: RANGE}}, r"a grid has no values of a range; valid: points: N beside it"),
        ({"with": {DECAY: RANGE | {"points": 1}}}, r"decay.points = 1: valid: at least 2"),
        ({"with": {DECAY: [0, 0.1]}, "at": {DECAY: 0}}, r"is in tuning.at too"),
        ({"with": [1]}, r"tuning.with = \[1\]: valid: a mapping"),
        (number("network.hidden", {"low": 4, "high": 8}), r"a range is for numbers; valid: a list"),
        (number("network.activation", RANGE), r"a range is for numbers"),
        (number("network.bias", RANGE), r"a range is for numbers"),
        (number(DECAY, {"low": -1, "high": 1}), r"decay = -1.0: valid: at least 0"),
        (number(DECAY, RANGE | {"log": True}), r"low \(0\) must be above 0 for log: true"),
        (number(SCALE, {"low": 2, "high": 1}), r"low \(2\) must be below high \(1\)"),
        (number(SCALE, {"low": 1}), r"feedback_scale.high: missing"),
        (number(SCALE, {"low": 1, "high": 2, "step": 1}), r"step = 1: unknown key; valid: low, high, log"),
        (number(SCALE, {"low": 1, "high": float("inf")}), r"high = .*: valid: a finite number"),
        (number("training.batch_size", {"low": 1.5, "high": 8}), r"low = 1.5: valid: a whole number"),
        ({"sampler": "random"}, r"tuning.trials: missing; sampler: random tries so many"),
        ({"sampler": "random", "trials": 0}, r"tuning.trials = 0: valid: at least 1"),
        ({"sampler": "tpe", "trials": 2.5}, r"tuning.trials = 2.5: valid: a whole number"),
        ({"sampler": "tpe", "trials": 9_999_999}, r"20,000,004 trials .*tuning.trials"),
        ({"trials": 5}, r"tuning.trials = 5: a grid has its own number; valid: with sampler: random or tpe"),
        ({"sampler": "tpe", "trials": 5, "refine": 2}, r"tuning.refine = 2: goes with sampler: grid"),
        ({"sampler": "tpw"}, r"sampler = \"tpw\": valid: 'grid', 'random' or 'tpe'. Did you mean 'tpe'"),
        ({"stop": {"after": [3]}}, r"tuning.stop.keep: missing"),
        ({"stop": {"after": [3], "keep": 0}}, r"tuning.stop.keep = 0: valid: a number above 0"),
        ({"stop": {"after": [3], "keep": 1}}, r"tuning.stop.keep = 1: valid: a number below 1"),
        ({"stop": {"after": [3], "keep": float("nan")}}, r"tuning.stop.keep = NaN: valid"),
        ({"stop": {"after": [], "keep": 0.5}}, r"tuning.stop.after = \[\]: valid: a list of at least 1"),
        ({"stop": {"after": [7, 3], "keep": 0.5}}, r"after = \[7, 3\]: valid: epochs in ascending order"),
        ({"stop": {"after": [0], "keep": 0.5}}, r"after.0 = 0: valid: at least 1"),
        ({"stop": {"after": [3, 20], "keep": 0.5}}, r"after = \[3, 20\]: valid: epochs below a trial's 20"),
        ({"stop": [3]}, r"tuning.stop = \[3\]: valid: a mapping"),
    ],
)
def test_mistakes_are_named_with_what_would_be_valid(load, tuning: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        load(tuning=tuning)


def test_a_field_that_is_an_axis_is_not_tuned_too(load) -> None:
    for key in (DECAY, "optimizers.sgd.weight_decay"):  # which replaces it
        with pytest.raises(UserError, match=rf"tuning.with.{key} = .*: training.weight_decay is an axis"):
            load("training.weight_decay=[0, 0.1]", tuning={"with": {key: [0, 1]}})


def test_a_rung_is_an_epoch_that_is_tested(load) -> None:
    stop = {"stop": {"after": [4, 10], "keep": 0.5}}
    with pytest.raises(UserError, match=r"\[4, 10\]: valid: multiples of 5, the epochs that are tested"):
        load("training.evaluate_every=5", tuning=stop)
    load("training.evaluate_every=2", tuning=stop)


def test_no_more_settings_are_drawn_than_there_are(load) -> None:
    with pytest.raises(UserError, match=r"trials = 7: method bp-sgd has 3 settings; valid: at most 3"):
        load(
            tuning={"with": {SCALE: [0.5, 1, 2]}, "sampler": "random", "trials": 7},
            learning_rates={"sgd": [0.1, 0.2, 0.3]},
        )


@pytest.mark.parametrize(
    ("key", "values", "says"),
    [
        ("training.loss", ["cross_entropy"], "needs an output for each class"),
        ("network.hidden", [[8, 8]], "is for one hidden layer"),
    ],
)
def test_a_value_that_a_problem_or_a_rule_cannot_have_is_refused(load, key, values, says) -> None:
    methods = [{"rule": ["bp", "ntk"], "optimizer": "sgd"}]
    with pytest.raises(UserError, match=says):
        load(tuning={"with": {key: values}}, methods=methods)

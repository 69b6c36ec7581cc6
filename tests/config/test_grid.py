"""What lists multiply to: methods with their learning rates, points of the axes, and how many trials."""

from __future__ import annotations

import pytest

from dfa_tune.errors import UserError
from dfa_tune.learning.settings import Network
from dfa_tune.planning.sweep import Sweep

CLUSTERS = {"kind": "clusters", "clusters": 2, "n": [8, 16], "d": 5, "test_samples": 10}


def names(sweep: Sweep) -> list[str]:
    return [method.name for method in sweep.methods]


def test_an_entry_of_methods_is_the_product_of_its_lists(load) -> None:
    sweep = load(
        methods=[{"rule": ["bp", "dfa"], "optimizer": ["sgd", "adam"]}],
        learning_rates={"sgd": 0.1, "adam": 0.001},
    )
    assert names(sweep) == ["bp-sgd", "bp-adam", "dfa-sgd", "dfa-adam"]


def test_equal_methods_are_one(load) -> None:
    feedback = ["uniform", "gaussian"]
    sweep = load(
        methods=[
            {"rule": ["bp", "dfa"], "optimizer": "sgd", "feedback": feedback},
            {"rule": ["dfa", "dfa"], "optimizer": "sgd"},
        ]
    )
    # bp has no feedback, so its two are one; uniform is the default
    assert names(sweep) == ["bp-sgd", "dfa-sgd", "dfa-sgd-gaussian"]


def test_a_method_may_carry_its_own_rates(load) -> None:
    own = {"rule": "dfa", "optimizer": "sgd", "learning_rate": [0.01, 0.02]}
    sweep = load(methods=[{"rule": ["bp", "dfa"], "optimizer": "sgd"}, own])
    bp, dfa = sweep.methods
    assert sweep.rates[dfa] == (0.01, 0.02)
    assert len(sweep.rates[bp]) == 4


def test_lists_are_axes_and_points_are_their_product(load) -> None:
    sweep = load("problem.k=[1,3]", "training.batch_size=[10, full]", "network.activation=[relu]")
    assert sweep.axes == ["problem.k", "network.activation", "training.batch_size"]
    found = [(p.problem.k, p.training.batch_size) for p in sweep.points]
    assert found == [(1, 10), (1, 100), (3, 10), (3, 100)]  # full: all 100 tuples


def test_a_list_of_widths_is_one_network_and_a_list_of_lists_an_axis(load) -> None:
    deep = load("network.hidden=[8, 4]")
    assert (deep.axes, deep.points[0].network) == ([], Network(hidden=(8, 4)))
    axis = load("network.hidden=[[8], [8, 4], 16]")
    assert axis.axes == ["network.hidden"]
    assert [point.network.hidden for point in axis.points] == [(8,), (8, 4), (16,)]


def test_a_list_of_labels_is_one_assignment_and_a_list_of_lists_an_axis(load) -> None:
    one = load("problem.labels=[0, 1, 1, 0]", problem=CLUSTERS)
    assert one.axes == ["problem.n"]
    axis = load("problem.labels=[random, [0, 1, 1, 0]]", problem=CLUSTERS | {"n": 8})
    assert [point.problem.labels for point in axis.points] == ["random", (0, 1, 1, 0)]


def test_sample_counts_default_to_the_data_sets(load) -> None:
    point = load(problem={"kind": "parity", "dataset": "mnist", "k": 3}).points[0]
    assert (point.problem.train_samples, point.problem.test_samples) == (60_000, 10_000)


def test_rates_may_be_tuned_at_one_point_of_an_axis(load) -> None:
    sweep = load("problem.k=[1, 3]", tuning={"at": {"problem.k": 3}})
    one, three = sweep.points
    assert (one.problem.k, one.tuned_at.problem.k, three.tuned_at) == (1, 3, None)


def test_rates_are_tuned_elsewhere_still_when_the_axis_is_replaced(load) -> None:
    (point,) = load("problem.k=1", tuning={"at": {"problem.k": 3}}).points
    assert (point.problem.k, point.tuned_at.problem.k) == (1, 3)


def test_method_keeps_only_the_named_ones(load) -> None:
    assert names(load(only=("dfa-sgd",))) == ["dfa-sgd"]


def test_a_rule_for_one_hidden_layer_may_be_left_out_of_a_deep_network(load) -> None:
    spaces = {"methods": [{"rule": ["bp", "ntk"], "optimizer": "sgd"}], "network": {"hidden": [8, 8]}}
    assert names(load(only=("bp-sgd",), **spaces)) == ["bp-sgd"]
    with pytest.raises(UserError, match="ntk-sgd is for one hidden layer"):
        load(**spaces)


def test_a_point_has_the_loss_that_is_used(load) -> None:
    assert [point.training.loss for point in load().points] == ["binary_cross_entropy"]
    assert load("training.loss=binary_cross_entropy").points == load().points


def test_a_softmax_of_a_single_output_is_refused(load) -> None:
    with pytest.raises(UserError, match=r"training\.loss.*'parity'.*valid: binary_cross_entropy"):
        load("training.loss=cross_entropy")
    with pytest.raises(UserError, match=r"training\.loss = .*valid"):
        load("training.loss=hinge")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{sdg: {}}", r"optimizers\.sdg: unknown optimizer 'sdg'.*Did you mean 'sgd'"),
        ("{sgd: 0.1}", r"optimizers\.sgd = 0\.1: valid: a mapping"),
        ("{sgd: {rho: 0.5}}", r"optimizers\.sgd\.rho = 0\.5: unknown key; valid: weight_decay"),
        ("{adam: {beta: 0.5}}", r"optimizers\.adam\.beta = 0\.5: .*beta1.*beta2.*epsilon"),
        ("{rmsprop: {rho: 1}}", r"optimizers\.rmsprop\.rho = 1: valid: a number below 1"),
        ("{rmsprop: {rho: [0.5, -0.1]}}", r"optimizers\.rmsprop\.rho = -0\.1: valid: at least 0"),
        ("{adam: {beta2: .nan}}", r"optimizers\.adam\.beta2 = NaN: valid: a finite number"),
        ("{adagrad: {epsilon: 0}}", r"optimizers\.adagrad\.epsilon = 0: valid: a number above 0"),
        ("{adagrad: {epsilon: []}}", r"optimizers\.adagrad\.epsilon = \[\]: valid: one value"),
        ("{sgd: {weight_decay: true}}", r"optimizers\.sgd\.weight_decay = true: valid: a number"),
        ("{sgd: {weight_decay: -1}}", r"optimizers\.sgd\.weight_decay = -1: valid: at least 0"),
    ],
)
def test_an_option_that_an_optimizer_does_not_have_or_a_value_out_of_range_is_refused(
    load, options: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load(f"optimizers={options}")


@pytest.mark.parametrize("scale", ["0", "-1", ".inf", "true", "text"])
def test_a_scale_of_the_feedback_that_is_not_above_0_is_refused(load, scale: str) -> None:
    with pytest.raises(UserError, match=r"network\.feedback_scale = .*: valid: a (finite )?number"):
        load(f"network.feedback_scale={scale}")


def test_two_different_rates_for_one_method_are_refused(load) -> None:
    entries = [{"rule": "bp", "optimizer": "sgd", "learning_rate": rate} for rate in (0.1, 0.2)]
    with pytest.raises(
        UserError,
        match=r"methods\.1\.learning_rate = 0\.2: an entry above gives bp-sgd another learning rate, 0\.1",
    ):
        load(methods=entries)


def test_tuning_at_a_value_that_is_not_on_the_axis_is_refused(load) -> None:
    with pytest.raises(UserError, match=r"tuning\.at\.problem\.k = 4: not on the axis; valid: 1, 3"):
        load("problem.k=[1, 3]", "tuning.at={problem.k: 4}")


def test_an_unknown_method_is_refused_with_the_valid_ones(load) -> None:
    with pytest.raises(UserError, match=r"--method dfa-sdg.*valid: bp-sgd, dfa-sgd.*Did you mean 'dfa-sgd'"):
        load(only=("dfa-sdg",))


def test_more_than_a_million_trials_are_refused_before_they_are_made(load) -> None:
    # 2 methods: 4 rates each and 10^6 repetitions
    with pytest.raises(UserError, match=r"2,000,008 trials.*at most 1,000,000"):
        load("repetitions=1000000")
    with pytest.raises(UserError, match="trials"):
        load("learning_rates.sgd.points=1000000000")

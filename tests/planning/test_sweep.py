"""Search spaces: what a valid one means, and what is said of an invalid one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from dfa_tune.errors import UserError
from dfa_tune.learning.settings import Network
from dfa_tune.planning.sweep import Sweep, load_sweep, repetition_seeds, space_names

BASE = {
    "name": "tiny",
    "problem": {"kind": "parity", "dataset": "digits", "k": 3, "train_samples": 100, "test_samples": 50},
    "training": {"epochs": 20},
    "methods": [{"rule": ["bp", "dfa"], "optimizer": "sgd"}],
    "learning_rates": {"sgd": {"low": 0.001, "high": 1.0, "points": 4}},
}
CLUSTERS = {"kind": "clusters", "clusters": 2, "n": [8, 16], "d": 5, "test_samples": 10}


@pytest.fixture
def load(tmp_path: Path):
    """Loads BASE, or the YAML text given, with `changes` to its top-level keys, and options."""

    def _load(*overrides: str, only: tuple[str, ...] = (), text: str | None = None, **changes) -> Sweep:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(BASE | changes) if text is None else text)
        return load_sweep(path, overrides=overrides, methods=only)

    return _load


def names(sweep: Sweep) -> list[str]:
    return [method.name for method in sweep.methods]


def rates(sweep: Sweep) -> tuple[float, ...]:
    return sweep.rates[sweep.methods[0]]


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


def test_a_range_is_log_spaced_to_six_digits(load) -> None:
    found = rates(load(learning_rates={"sgd": {"low": 1e-3, "high": 1.0, "points": 10}}))
    np.testing.assert_allclose(found, np.geomspace(1e-3, 1, 10), rtol=5e-6)
    assert found[1] == 0.00215443


def test_a_list_of_rates_is_sorted_and_each_is_tried_once(load) -> None:
    assert rates(load(learning_rates={"sgd": [0.3, 0.1, 0.3]})) == (0.1, 0.3)


def test_one_number_is_the_rate(load) -> None:
    assert rates(load(learning_rates={"sgd": 0.5})) == (0.5,)


def test_a_method_may_carry_its_own_rates(load) -> None:
    own = {"rule": "dfa", "optimizer": "sgd", "learning_rate": [0.01, 0.02]}
    sweep = load(methods=[{"rule": ["bp", "dfa"], "optimizer": "sgd"}, own])
    bp, dfa = sweep.methods
    assert sweep.rates[dfa] == (0.01, 0.02)
    assert len(sweep.rates[bp]) == 4


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "1.e-3", "'1e-3'", "0.001", ".001", "10e-4"])
def test_a_float_may_be_written_with_an_exponent(load, text: str) -> None:
    assert load(f"training.weight_decay={text}").points[0].training.weight_decay == 0.001
    assert rates(load(f"learning_rates.sgd={text}")) == (0.001,)
    assert rates(load(f"learning_rates.sgd.low={text}"))[0] == 0.001


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


def test_the_data_sets_that_are_needed_are_named(load) -> None:
    assert load().datasets == ("digits",)
    assert load("problem.dataset=[digits, mnist]").datasets == ("digits", "mnist")
    assert load(problem=CLUSTERS).dataset is None


def test_the_window_defaults_to_ten_rows_or_all(load) -> None:
    assert load().tuning.window == 10
    assert load("training.epochs=7").tuning.window == 7
    # epochs 3, 6, ..., 18 and the last, 20
    assert load("training.evaluate_every=3").tuning.window == 7


def test_a_window_larger_than_the_rows_is_refused(load) -> None:
    assert load("tuning.window=7", "training.evaluate_every=3").tuning.window == 7
    with pytest.raises(UserError, match=r"tuning\.window = 8.*valid: 1 to 7"):
        load("tuning.window=8", "training.evaluate_every=3")
    with pytest.raises(UserError, match=r"tuning\.window = 10.*valid: 1 to 5"):
        load("tuning.window=10", "training.epochs=[20, 5]")


def test_rates_may_be_tuned_at_one_point_of_an_axis(load) -> None:
    sweep = load("problem.k=[1, 3]", tuning={"at": {"problem.k": 3}})
    one, three = sweep.points
    assert (one.problem.k, one.tuned_at.problem.k, three.tuned_at) == (1, 3, None)


def test_rates_are_tuned_elsewhere_still_when_the_axis_is_replaced(load) -> None:
    (point,) = load("problem.k=1", tuning={"at": {"problem.k": 3}}).points
    assert (point.problem.k, point.tuned_at.problem.k) == (1, 3)


def test_tuning_at_can_be_set_by_its_dotted_key(load) -> None:
    assert load("problem.k=[1, 3]", "tuning.at.problem.k=3").tuning.at == {"problem.k": 3}


def test_method_keeps_only_the_named_ones(load) -> None:
    assert names(load(only=("dfa-sgd",))) == ["dfa-sgd"]


def test_a_rule_for_one_hidden_layer_may_be_left_out_of_a_deep_network(load) -> None:
    spaces = {"methods": [{"rule": ["bp", "ntk"], "optimizer": "sgd"}], "network": {"hidden": [8, 8]}}
    assert names(load(only=("bp-sgd",), **spaces)) == ["bp-sgd"]
    with pytest.raises(UserError, match="ntk-sgd is for one hidden layer"):
        load(**spaces)


def test_the_text_is_the_file_as_it_stands(load) -> None:
    text = "# a comment\n" + yaml.safe_dump(BASE)
    assert load(text=text).text == text


def test_the_text_with_options_gives_the_same_sweep_without_them(load) -> None:
    entries = [{"rule": ["bp", "dfa"], "optimizer": "sgd", "learning_rate": [0.1, 0.2]}]
    sweep = load("problem.k=[1,2]", "title='1e3'", only=("dfa-sgd",), methods=entries)
    again = load(text=sweep.text)
    assert (again.points, again.rates, again.title) == (sweep.points, sweep.rates, sweep.title)


def test_set_changes_the_named_place_alone_where_yaml_shares_it(load) -> None:
    methods = "methods: [{rule: bp, optimizer: [sgd, adam]}]"
    text = (
        f"name: x\nproblem: {{kind: parity, dataset: digits}}\n{methods}\n"
        "learning_rates: {sgd: &r {low: 0.1, high: 1, points: 3}, adam: *r}"
    )
    sweep = load("learning_rates.adam.points=2", text=text)
    assert [len(found) for found in sweep.rates.values()] == [3, 2]


def test_repetition_seeds_differ_from_each_other_and_from_the_tuning_seed() -> None:
    seeds = repetition_seeds(0, 1000)
    assert len({0, *seeds}) == 1001
    assert all(0 <= seed < 2**53 for seed in seeds)


def test_more_repetitions_keep_the_first_ones() -> None:
    assert repetition_seeds(7, 5)[:3] == repetition_seeds(7, 3)
    assert set(repetition_seeds(7, 5)).isdisjoint(repetition_seeds(8, 5))


@pytest.mark.parametrize("name", space_names())
def test_a_bundled_space_loads_with_few_epochs_too(name: str) -> None:
    assert load_sweep(name).name == name
    assert load_sweep(name, overrides=["training.epochs=2", "repetitions=1"]).repetitions == 1


INVALID = {
    # option: parts of what is said
    "problem.k=0": ("problem.k = 0", "at least 1"),
    "problem.k=[1, 0]": ("problem.k = 0", "at least 1"),
    "problem.k=[]": ("problem.k = []", "a list of at least one"),
    "problem.k=[[1]]": ("problem.k = [1]", "a whole number"),
    "problem.k=": ("problem.k = null", "a whole number"),
    "problem.k=true": ("problem.k = true", "a whole number"),
    "problem.k=1.5": ("problem.k = 1.5", "a whole number"),
    "problem.k='3'": ('problem.k = "3"', "a whole number"),
    "problem.kk=3": ("problem.kk = 3", "unknown key", "train_samples", "Did you mean 'k'?"),
    "problem.kind=parities": ("problem.kind", "clusters, parity", "Did you mean 'parity'?"),
    "problem.kind=[parity]": ("problem.kind", "one of clusters, parity"),
    "problem.dataset=mnst": ("problem.dataset", "'kmnist'", "Did you mean 'mnist'?"),
    "problem={}": ("problem.kind", "missing", "clusters, parity"),
    "problem=3": ("problem = 3", "a mapping"),
    "problm.k=3": ("problm", "unknown key", "Did you mean 'problem'?"),
    "network.hidden=[]": ("network.hidden = []",),
    "network.hidden=[8, true]": ("network.hidden.1 = true", "a whole number"),
    "network.hidden=[[]]": ("network.hidden = []", "at least one hidden layer"),
    "network.bias=1": ("network.bias = 1", "true or false"),
    "network.activation=rely": ("network.activation", "Did you mean 'relu'?"),
    "training.epoch=3": ("training.epoch = 3", "Did you mean 'epochs'?"),
    "training.weight_decay=true": ("training.weight_decay = true", "a number"),
    "training.weight_decay=.nan": ("training.weight_decay = NaN", "a finite number"),
    "training.batch_size=half": ("training.batch_size", "a whole number or 'full'"),
    "training.device=[cpu, cuda]": ("training.device", "cannot be a list"),
    "methods=[]": ("methods = []", "a list of at least 1"),
    "methods=bp": ('methods = "bp"', "a list"),
    "methods.0.rule=dfaa": ("methods.0.rule", "unknown rule 'dfaa'", "Did you mean 'dfa'?"),
    "methods.0.rule=[]": ("methods.0.rule = []", "a list of at least 1"),
    "methods.0.optimizer=sdg": ("methods.0.optimizer", "unknown optimizer", "Did you mean 'sgd'?"),
    "methods.0.optimizer=adam": ("'adam'", "bp-adam", "no learning rate", "learning_rates.adam"),
    "methods.0.feedback=unifrom": ("methods.0.feedback", "Did you mean 'uniform'?"),
    "methods.0.learning_rate=0": ("methods.0.learning_rate = 0", "a number above 0"),
    "learning_rates.sgd=[0.1, -1]": ("learning_rates.sgd.1 = -1", "a number above 0"),
    "learning_rates.sgd=.inf": ("learning_rates.sgd", "a number above 0"),
    "learning_rates.sgd=.nan": ("learning_rates.sgd", "a number above 0"),
    "learning_rates.sgd=true": ("learning_rates.sgd = true", "a number above 0"),
    "learning_rates.sgd=[]": ("learning_rates.sgd = []", "a number above 0"),
    "learning_rates.sgd=": ("learning_rates.sgd = null", "a number above 0"),
    "learning_rates.sgd.low=2": ("learning_rates.sgd", "low (2) must be below high (1)"),
    "learning_rates.sgd.low=0": ("learning_rates.sgd.low = 0", "a number above 0"),
    "learning_rates.sgd.points=1": ("learning_rates.sgd.points = 1", "at least 2"),
    "learning_rates.sgd.point=1": ("learning_rates.sgd.point", "Did you mean 'points'?"),
    "learning_rates.sdg=1": ("learning_rates.sdg", "Did you mean 'sgd'?"),
    "tuning.window=0": ("tuning.window = 0", "at least 1"),
    "tuning.metric=accuracy": ("tuning.metric", "'test_loss'"),
    "tuning.split=train": ("tuning.split", "'test' or 'validation'"),
    "tuning.refine=-1": ("tuning.refine = -1", "at least 0"),
    "tuning.at={problem.j: 3}": ("tuning.at.problem.j", "unknown key"),
    "tuning.at={problem.k: 0}": ("tuning.at.problem.k = 0", "at least 1"),
    "tuning=": ("tuning = null", "a mapping"),
    "repetitions=0": ("repetitions = 0", "at least 1"),
    "seed=-1": ("seed = -1", "at least 0"),
    "save_weights=yes please": ("save_weights", "true or false"),
    "name=../up": ("name", "letters, digits, _ and -"),
    "name=a/b": ("name", "letters, digits, _ and -"),
    "name=": ("name = null", "text"),
    "name=''": ("name", "letters, digits, _ and -"),
    "name=NUL": ("name", "Windows"),
    f"name={'x' * 101}": ("name", "at most 100"),
    "epochs=3": ("epochs = 3", "unknown key"),
    "problem.k": ("--set problem.k", "KEY=VALUE"),
    "=3": ("--set =3", "KEY=VALUE"),
    "problem..k=3": ("--set problem..k=3", "KEY=VALUE"),
    "problem.k=[1, 2": ("--set problem.k=[1, 2", "not valid YAML"),
    "training.epochs.x=3": ("--set training.epochs.x=3", "set training.epochs itself"),
    "methods.1.rule=bp": ("--set methods.1.rule=bp", "methods is a list", "0 to 0"),
}


@pytest.mark.parametrize("option", INVALID)
def test_an_invalid_value_is_refused_in_a_few_lines_that_name_it(load, option: str) -> None:
    with pytest.raises(UserError) as caught:
        load(option)
    message = str(caught.value)
    assert all(part in message for part in INVALID[option]), message
    assert f"--set {option}" in message or "learning rate" in message
    assert message.count("\n") < 5
    assert "pydantic" not in message


BROKEN = {
    "": "a mapping with the keys name",
    "- 1": "a mapping with the keys name",
    "name: x\nname: y": "line 2: the key 'name' is given twice",
    "name: {a: 1, a: 2}": "line 1: the key 'a' is given twice",
    "name: [x": "line 1, column 9: not valid YAML",
    "name: !!python/object/apply:os.getcwd []": "not valid YAML",
    "1: x": "the key 1 is not text",
    "name: &a [*a]": "contains itself",
    "name: 2024-13-45": "not valid YAML",
    "name: x\n---\nname: y": "another document",
    "name: x\0": "not valid YAML",
    "[" * 3000: "nested too deeply",
    "name: tiny": "problem: missing",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_is_refused_with_its_name_and_line(load, text: str) -> None:
    with pytest.raises(UserError, match=r"tiny\.yaml") as caught:
        load(text=text)
    assert BROKEN[text] in str(caught.value)


def test_aliases_that_unfold_to_billions_are_refused(load) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(UserError, match="aliases unfolded"):
        load(text="\n".join(lines))


def test_two_different_rates_for_one_method_are_refused(load) -> None:
    entries = [{"rule": "bp", "optimizer": "sgd", "learning_rate": rate} for rate in (0.1, 0.2)]
    with pytest.raises(UserError, match=r"methods\.1\.learning_rate = 0\.2: bp-sgd has another one, 0\.1"):
        load(methods=entries)


def test_tuning_at_a_value_that_is_not_on_the_axis_is_refused(load) -> None:
    with pytest.raises(UserError, match=r"tuning\.at\.problem\.k = 4: not on the axis; valid: 1, 3"):
        load("problem.k=[1, 3]", "tuning.at={problem.k: 4}")


def test_labels_that_are_not_one_a_cluster_are_refused(load) -> None:
    with pytest.raises(UserError, match="labels has 3 entries; valid: 'random', or 4"):
        load(problem=CLUSTERS | {"labels": [0, 1, 1]})


def test_an_unknown_method_is_refused_with_the_valid_ones(load) -> None:
    with pytest.raises(UserError, match=r"--method dfa-sdg.*valid: bp-sgd, dfa-sgd.*Did you mean 'dfa-sgd'"):
        load(only=("dfa-sdg",))


def test_more_than_a_million_trials_are_refused_before_they_are_made(load) -> None:
    # 2 methods: 4 rates each and 10^6 repetitions
    with pytest.raises(UserError, match=r"2,000,008 trials.*at most 1,000,000"):
        load("repetitions=1000000")
    with pytest.raises(UserError, match="trials"):
        load("learning_rates.sgd.points=1000000000")


def test_an_unknown_space_is_refused_with_the_valid_names() -> None:
    with pytest.raises(UserError, match=r"'fig_31'; valid: .*quickstart.*Did you mean 'fig_3_1'"):
        load_sweep("fig_31")


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"\xff\xfe")])
def test_a_file_that_cannot_be_read_is_refused_with_its_path(tmp_path: Path, make) -> None:
    make(tmp_path / "x.yaml")
    with pytest.raises(UserError, match=r"x\.yaml: (no such file|cannot be read|not text)"):
        load_sweep(tmp_path / "x.yaml")


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys, dfa_tune.planning.plan; from dfa_tune.planning.sweep import load_sweep;"
        "load_sweep('quickstart');"
        "print(*({'torch', 'ray', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == ""

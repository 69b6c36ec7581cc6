"""What a search space means once it is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dfa_tune.errors import UserError
from dfa_tune.planning.sweep import load_sweep, repetition_seeds, space_names, space_path

CLUSTERS = {"kind": "clusters", "clusters": 2, "n": [8, 16], "d": 5, "test_samples": 10}


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


def test_the_text_is_the_file_as_it_stands(load) -> None:
    text = "# a comment\n" + load().text
    assert load(text=text).text == text


def test_the_text_with_options_gives_the_same_sweep_without_them(load) -> None:
    entries = [{"rule": ["bp", "dfa"], "optimizer": "sgd", "learning_rate": [0.1, 0.2]}]
    sweep = load("problem.k=[1,2]", "title='1e3'", only=("dfa-sgd",), methods=entries)
    again = load(text=sweep.text)
    assert (again.points, again.rates, again.title) == (sweep.points, sweep.rates, sweep.title)


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
    assert load_sweep(name, overrides=["training.epochs=2", "repetitions=1"]).repetitions.max == 1


def test_an_unknown_space_is_refused_with_the_valid_names() -> None:
    with pytest.raises(UserError, match=r"'fig_31'; valid: .*quickstart.*Did you mean 'fig_3_1'"):
        load_sweep("fig_31")


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys, dfa_tune.planning.plan; from dfa_tune.planning.sweep import load_sweep;"
        "load_sweep('quickstart');"
        "print(*({'torch', 'ray', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == ""


@pytest.mark.parametrize("named", [str, Path], ids=["by name", "by its file"])
def test_a_bundled_space_has_its_own_figure_and_claims(named) -> None:
    space = "fig_3_4" if named is str else space_path("fig_3_4")
    assert load_sweep(space, overrides=["repetitions=2"]).figure_name == "fig_3_4"
    assert load_sweep("fig_3_4-no_decay").figure_name == "fig_3_4"


@pytest.mark.parametrize("name", ["quickstart", "quickstart-mine", "fig_3_4-no_decay"])
def test_a_space_of_ones_own_has_no_other_spaces_figure_whatever_its_name_is(load, name: str) -> None:
    assert load(name=name).figure_name is None
    assert load(name=name, variant_of="fig_3_4").figure_name == "fig_3_4"


def test_a_variant_of_an_unknown_space_is_refused_with_the_nearest_name(load) -> None:
    with pytest.raises(UserError, match=r"variant_of = \"fig_3_44\": not a.*mean 'fig_3_4'\?"):
        load(variant_of="fig_3_44")

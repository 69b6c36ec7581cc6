"""Figure modules: which one is loaded for a search space, and that a stranger's space runs no code."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dfa_tune.analysis import extras, figures
from dfa_tune.analysis.figure_modules import figure_module, figure_source, load_module
from dfa_tune.bundled import bundled
from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep, space_names
from dfa_tune.registry import register
from dfa_tune.results.store import Store


def titles(figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes]


def test_a_module_imports_another_one_beside_it(figure_folder) -> None:
    (figure_folder / "shared.py").write_text("NUMBER = 7\n")
    (figure_folder / "tiny.py").write_text(
        "from . import shared\ndef figure(results): return shared.NUMBER\n"
    )
    module = load_module("tiny")
    assert module.__name__ == "dfa_tune_figures.tiny"
    assert module.figure(None) == 7


def test_a_space_whose_module_does_not_exist_has_none(plan, figure_folder) -> None:
    assert figure_module(plan().sweep) is None
    assert figure_module(load_sweep("quickstart")) is None
    assert figure_source("quickstart") == figure_source(None) == b""


def test_the_figure_is_drawn_by_the_module_and_named_after_the_sweep(plan, trained, figure_folder) -> None:
    (figure_folder / "quickstart.py").write_text(
        "from matplotlib.figure import Figure\n"
        "def figure(results):\n    return Figure(figsize=(1, len(results.rows)))\n"
    )
    plan = plan()
    bundled_sweep = replace(plan.sweep, figure_name="quickstart")
    figure = figures.draw(trained(Plan(bundled_sweep)))
    assert figure.get_figheight() == 48
    assert figure.get_label() == "tiny"


@pytest.mark.parametrize("name", ["quickstart", "quickstart-mine", "results_tables", "fig_2_2"])
def test_a_space_of_ones_own_has_the_default_figure_whatever_its_name_is(
    space: Path, trained, name: str
) -> None:
    space.write_text(space.read_text().replace("name: tiny", f"name: {name}"))
    results = trained(Plan(load_sweep(space)))
    assert titles(figures.draw(results)) == titles(figures.default(results))


def test_a_variant_is_drawn_as_the_space_that_it_names(space: Path, trained) -> None:
    space.write_text(space.read_text().replace("name: tiny", "name: mine\nvariant_of: fig_3_3"))
    figure = figures.draw(trained(Plan(load_sweep(space))))
    assert titles(figure) == ["After the last epoch, fresh seeds", "Learning rates tried (ring: chosen)"]
    assert figure.get_label() == "mine"


@pytest.mark.parametrize("other", ["fig_2_2", "fig_3_6"])
def test_a_variant_with_another_kind_of_problem_has_the_default_figure(
    space: Path, trained, other: str
) -> None:
    space.write_text(space.read_text().replace("name: tiny", f"name: mine\nvariant_of: {other}"))
    results = trained(Plan(load_sweep(space)))
    assert titles(figures.draw(results)) == titles(figures.default(results))


def test_an_option_that_changes_the_kind_of_problem_gives_the_default_figure(trained, tmp_path) -> None:
    clusters = "problem={kind: clusters, clusters: 2, n: 8, d: 4, test_samples: 10}"
    sweep = load_sweep("fig_2_1", overrides=[clusters, "tuning.at={}", "training.epochs=2", "repetitions=1"])
    results = trained(Plan(sweep))
    assert titles(figures.draw(results)) == titles(figures.default(results))
    assert extras.made(results, Store(tmp_path, "fig_2_1")) is None


def test_a_python_file_beside_a_space_is_not_executed(space: Path, trained, figure_folder) -> None:
    (space.parent / "tiny.py").write_text("raise SystemExit('executed')\n")
    (space.parent / "analysis").mkdir()
    (space.parent / "analysis" / "tiny.py").write_text("raise SystemExit('executed')\n")
    (figure_folder / "tiny.py").write_text("raise SystemExit('executed')\n")
    figures.draw(trained(Plan(load_sweep(space))))
    assert "dfa_tune_figures.tiny" not in sys.modules


@pytest.mark.parametrize("name", [name for name in space_names() if name.startswith("fig_")])
def test_every_figure_of_the_thesis_has_a_module_of_its_own_or_is_a_variant(name: str) -> None:
    module = figure_module(load_sweep(name))
    assert module is not None
    assert Path(module.__file__).parent == bundled("analysis")
    assert callable(module.figure)


# -- figures that a user names -------------------------------------------------------------------

OWN = "from matplotlib.figure import Figure\ndef figure(results):\n    return Figure(figsize=(3, 7))\n"


def test_a_plugin_of_the_spaces_name_draws_its_figure(plan, trained, tmp_path: Path, no_plugins) -> None:
    results = trained(plan())
    before = figures.key(results)
    (tmp_path / "tiny.py").write_text(OWN)
    register(tmp_path / "tiny.py")
    figure = figures.draw(results)
    assert (figure.get_figheight(), figure.get_label()) == (7, "tiny")
    assert figures.key(results) != before


def test_a_plugin_of_another_name_is_drawn_beside_the_spaces_figure(
    plan, trained, tmp_path: Path, no_plugins
) -> None:
    (tmp_path / "gap.py").write_text(OWN)
    register(tmp_path / "gap.py")
    paths = figures.write(trained(plan()), Store(tmp_path, "tiny"), formats=["svg"])
    assert [Path(path).name for path in (paths[0], paths[-1])] == ["tiny.svg", "tiny-gap.svg"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def figure(results):\n    return results.nothing\n",
            "AttributeError: 'SweepResults' object has no",
        ),
        ("def figure(results):\n    return 3\n", "figure(results) gave int; valid: a matplotlib Figure"),
    ],
)
def test_a_figure_that_fails_is_named_with_its_line(
    plan, trained, tmp_path: Path, no_plugins, text: str, message: str
) -> None:
    (tmp_path / "tiny.py").write_text(text)
    register(tmp_path / "tiny.py")
    with pytest.raises(UserError) as failed:
        figures.draw(trained(plan()))
    assert str(failed.value).startswith(f"{tmp_path / 'tiny.py'}: figure(results)")
    assert message in str(failed.value)

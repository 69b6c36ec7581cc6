"""Figures of whole and partial sweeps, and the files they are saved in."""

import re
from pathlib import Path

import pytest

from dfa_tune.analysis import figures
from dfa_tune.bundled import bundled
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep, space_names
from dfa_tune.results.store import Store

AXES = {
    "none": [],
    "one": ["problem.k=[1, 3]"],
    "long": ["problem.k=[1, 2, 3, 4, 5, 6]"],
    "words": ["network.hidden=[[4], [4, 2]]"],
    "two": ["problem.k=[1, 2, 3]", "training.weight_decay=[0, 0.001]"],
    "clusters": ["problem={kind: clusters, n: [8, 16], d: [4, 5]}", "training.batch_size=full"],
}


def panels(figure) -> int:
    return len(figure.axes)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("rounds", [0, 1, 2], ids=["nothing", "tuning", "all"])
def test_any_axes_at_any_progress_give_a_figure(plan, trained, axes: str, rounds: int) -> None:
    plan = plan(*AXES[axes])
    figure = figures.draw(trained(plan, rounds=rounds))
    assert panels(figure) >= 1
    assert plan.sweep.title in figure.get_suptitle().replace("\n", " ")
    figure.draw_without_rendering()


@pytest.mark.parametrize(("axes", "expected"), [("none", 2), ("one", 3), ("long", 1), ("two", 2)])
def test_the_default_has_curves_for_few_points_and_final_accuracies_always(
    plan, trained, axes, expected
) -> None:
    plan = plan(*AXES[axes])
    assert panels(figures.default(trained(plan))) == expected


def test_a_sweep_that_diverged_throughout_gives_a_figure(plan, trained) -> None:
    plan = plan()
    figures.default(trained(plan, lambda trial, epoch: None)).draw_without_rendering()


def test_a_figure_is_saved_as_png_and_svg(plan, trained, tmp_path) -> None:
    plan = plan()
    figure = figures.draw(trained(plan))
    png, svg = map(Path, figures.save(figure, tmp_path / "new" / "folder"))
    assert (png.name, svg.name) == ("tiny.png", "tiny.svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in svg.read_text()


def test_a_store_keeps_figures_in_its_own_folder(plan, trained, tmp_path) -> None:
    plan = plan()
    figure = figures.draw(trained(plan))
    assert figures.save(figure, Store(tmp_path, "tiny")) == [
        str(tmp_path / "tiny" / "figures" / f"tiny.{suffix}") for suffix in ("png", "svg")
    ]


def test_the_same_rows_give_the_same_bytes(plan, trained, tmp_path) -> None:
    plan = plan()
    first, second = (figures.save(figures.draw(trained(plan)), tmp_path / name) for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes()


SCRIPTS = sorted(set(space_names()) & {path.stem for path in bundled("analysis").glob("*.py")})
SMALL = {
    "quickstart": [],
    "fig_2_2": ["training.epochs=3", "problem.n=[256]"],
    "fig_3_6": ["training.epochs=3", "problem.n=[256]", "problem.d=[5, 15]", "repetitions=2"],
}
DIGITS = ["training.epochs=3", "problem.dataset=digits"]


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("rounds", [0, 1, 2], ids=["nothing", "tuning", "all"])
def test_every_bundled_figure_is_drawn_at_any_progress(name: str, rounds: int, trained) -> None:
    plan = Plan(load_sweep(name, overrides=SMALL.get(name, DIGITS)))
    figure = figures.draw(trained(plan, rounds=rounds))
    assert re.search(r"weight decay|No finished", figure.get_supxlabel())
    figure.draw_without_rendering()

"""The title, the legend and the caption around the panels."""

import io

import pytest

from dfa_tune.analysis import layout
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep


def test_the_legend_has_every_method_of_the_space_and_chance(plan, trained) -> None:
    results = trained(plan(), rounds=0)
    figure, _ = layout.canvas(1, results)
    layout.finish(figure, results)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["bp-sgd", "dfa-sgd", "chance (0.5)"]


def test_a_cross_is_explained_where_one_is_drawn(plan, trained) -> None:
    results = trained(plan())
    for marks, expected in (([], False), ([0.5], True)):
        figure, (ax,) = layout.canvas(1, results)
        ax.plot(marks, marks, "x")
        layout.finish(figure, results)
        assert ("A cross marks a trial that diverged, or" in figure.get_supxlabel()) is expected


def test_panels_that_show_something_get_the_range_that_holds_all(plan, trained) -> None:
    _, (first, second, empty) = layout.canvas(3, trained(plan()))
    first.plot([0, 1], [0.2, 0.4])
    second.plot([0, 1], [0.3, 0.9])
    untouched = empty.get_ylim()
    layout.same_scale([first, second, empty])
    assert first.get_ylim() == second.get_ylim()
    assert first.get_ylim()[0] < 0.2
    assert second.get_ylim()[1] > 0.9
    assert empty.get_ylim() == untouched


@pytest.mark.parametrize("title", [r"$\frac{ b$", "50 $ and 60 $", "[/b]", "a\u202eb\x1b[2J"])
def test_a_title_is_drawn_as_it_is_written(space, trained, title: str) -> None:
    text = space.read_text().replace("BP and DFA on a space for tests", "TITLE")
    space.write_text(text.replace("TITLE", "'" + title.replace("\x1b", "") + "'"))
    plan = Plan(load_sweep(space))
    figure, _ = layout.canvas(1, trained(plan, rounds=0), heading=title)
    layout.finish(figure, trained(plan, rounds=0), note=title)
    for suffix in ("png", "svg"):
        figure.savefig(io.BytesIO(), format=suffix)
    shown = "".join(one if one.isprintable() else "\ufffd" for one in title)
    assert shown in figure.get_suptitle()

"""The figure that suits any sweep: its panels, their order, and what it says of those left out."""

import pytest

from dfa_tune.analysis.default_figure import choose, default


def titles(figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], ["By epoch", "After the last epoch"]),
        (["problem.k=[3, 1]"], ["k = 1", "k = 3", "After the last epoch"]),
        (["problem.k=[1, 2, 3, 4, 5]"], ["After the last epoch"]),
        (
            ["problem.k=[1, 2]", "training.weight_decay=[0, 0.001]"],
            [
                *("k = 1, weight_decay = 0", "k = 1, weight_decay = 0.001"),
                *("k = 2, weight_decay = 0", "k = 2, weight_decay = 0.001"),
                *("weight_decay = 0", "weight_decay = 0.001"),
            ],
        ),
        (
            ["network.hidden=[[256], [64], [8, 8]]"],
            ["hidden = 64", "hidden = 256", "hidden = 8,8", "After the last epoch"],
        ),
    ],
    ids=["no axes", "one", "a long one", "two", "widths"],
)
def test_there_are_curves_for_few_points_and_final_accuracies_always(
    plan, trained, overrides, expected
) -> None:
    assert titles(default(trained(plan(*overrides)))) == expected


def test_before_the_first_repetition_it_shows_the_rates_tried_at_each_point(plan, trained) -> None:
    figure = default(trained(plan("problem.k=[1, 3]"), rounds=1))
    assert titles(figure) == ["k = 1", "k = 3"]
    assert {ax.get_xlabel() for ax in figure.axes} == {"learning rate"}


def test_before_the_first_trial_it_says_what_it_waits_for(plan, trained) -> None:
    (ax,) = default(trained(plan(), rounds=0)).axes
    assert [text.get_text() for text in ax.texts] == ["no finished tuning trial yet"]


def test_of_many_panels_it_shows_some_from_the_first_to_the_last_and_says_so(plan, trained) -> None:
    figure = default(trained(plan("training.weight_decay=[0, 1.0e-5, 1.0e-4, 1.0e-3, 0.01, 0.1, 1]",
                                  "problem.k=[1, 2, 3, 4, 5, 6, 7, 8]"), rounds=2))  # fmt: skip
    assert titles(figure)[0] == "weight_decay = 0"
    assert titles(figure)[-1] == "weight_decay = 1"
    assert len(titles(figure)) == 6
    assert "6 of 7 panels are shown, evenly spaced" in figure.get_supxlabel().replace("\n", " ")


def test_chosen_panels_are_evenly_spaced_and_all_where_they_fit() -> None:
    assert choose(range(100), 4)[0] == [0, 33, 66, 99]
    assert choose("abc", 3) == (["a", "b", "c"], "")


def test_a_sweep_that_diverged_throughout_has_crosses_and_says_so(plan, trained) -> None:
    figure = default(trained(plan(), lambda trial, epoch: None))
    final = figure.axes[-1]
    assert [text.get_text() for text in final.texts] == ["diverged at once"] * 2
    assert "A cross marks" in figure.get_supxlabel()
    figure.draw_without_rendering()

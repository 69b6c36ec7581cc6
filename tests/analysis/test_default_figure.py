"""The figure that suits any sweep: its panels, their order, and what it says of those left out."""

import pytest

from dfa_tune.analysis.default_figure import choose, default


def learning_by_rule(trial, epoch: int) -> float:
    return 0.9 if trial.method.rule == "bp" else 0.6


def titles(figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], ["By epoch", "After the last epoch"]),
        (["problem.k=[3, 1]"], ["k = 1", "k = 3", "After the last epoch"]),
        (["problem.k=[1, 2, 3, 4, 5]"], ["k = 1", "k = 3", "k = 5", "After the last epoch"]),
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
    ids=["no axes", "one", "a long one", "two", "networks"],
)
def test_there_are_curves_for_few_points_and_final_accuracies_always(
    plan, trained, overrides, expected
) -> None:
    assert titles(default(trained(plan(*overrides)))) == expected


def test_depth_and_width_are_two_numeric_axes_and_words_make_panels(plan, trained) -> None:
    figure = default(trained(plan(
        "network.hidden=[[8], [8, 8], [8, 8, 8], [64], [64, 64], [64, 64, 64]]",
        "network.activation=[tanh, relu]",
    )))  # fmt: skip
    assert titles(figure) == [
        "width = 8, hidden_layers = 1, activation = tanh",
        "width = 64, hidden_layers = 1, activation = tanh",
        "width = 64, hidden_layers = 3, activation = relu",
        *("width = 8, activation = tanh", "width = 8, activation = relu"),
        *("width = 64, activation = tanh", "width = 64, activation = relu"),
    ]
    ends = figure.axes[3]
    assert ends.get_xlabel() == "hidden layers"
    assert [list(line.get_xdata()) for line in ends.lines if line.get_marker() == "o"] == [[1, 2, 3]]


def test_a_method_that_an_axis_does_not_concern_is_in_each_panel_and_a_level_line(plan, trained) -> None:
    results = trained(plan("network.feedback_scale=[0.5, 1, 2]"), learning_by_rule)
    *curves, ends = default(results).axes
    assert [ax.get_title() for ax in curves] == [f"feedback_scale = {scale}" for scale in ("0.5", "1", "2")]
    colours = {line.get_color() for line in ends.lines if len(line.get_xdata())}
    for ax in curves:  # both methods are in each of them
        assert {line.get_color() for line in ax.lines} == colours
    level = [list(line.get_ydata()) for line in ends.lines if list(line.get_xdata()) == [0, 1]]
    assert [0.9, 0.9] in level


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
    assert titles(figure)[0] == "k = 1, weight_decay = 0"
    assert titles(figure)[2] == "k = 8, weight_decay = 1"
    assert titles(figure)[3] == "weight_decay = 0"
    assert titles(figure)[-1] == "weight_decay = 1"
    assert len(titles(figure)) == 3 + 6
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

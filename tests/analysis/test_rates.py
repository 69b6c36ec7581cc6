"""The figure of the learning rates tried."""

import numpy as np
from matplotlib.figure import Figure

from dfa_tune.analysis import budget, panels, rates


def test_there_is_a_panel_for_each_method_with_every_rate_and_a_thick_line_for_the_chosen_one(
    plan, trained
) -> None:
    figure = rates.figure(trained(plan()))
    assert figure is not None
    assert [ax.get_title() for ax in figure.axes] == ["bp-sgd", "dfa-sgd"]
    bp = figure.axes[0]
    curves = {line.get_label(): line for line in bp.lines if len(line.get_xdata()) == 4}
    assert list(curves) == ["0.01", "0.1", "1"]
    assert {label: line.get_linewidth() > 2 for label, line in curves.items()} == {
        "0.01": False, "0.1": True, "1": False}  # fmt: skip
    assert np.allclose(curves["0.1"].get_ydata(), [0.81, 0.82, 0.83, 0.84])


def test_a_chosen_rate_at_the_edge_of_its_range_has_a_star_and_a_diverged_one_a_cross(plan, trained) -> None:
    def accuracy(trial, epoch):
        return None if trial.learning_rate == 1.0 else 1 - trial.learning_rate

    figure = rates.figure(trained(plan(), accuracy))
    assert figure is not None
    ax = figure.axes[0]
    assert [line.get_label() for line in ax.lines if not line.get_label().startswith("_")] == [
        "0.01*", "0.1", "1"]  # fmt: skip
    assert sum(line.get_marker() == "x" for line in ax.lines) >= 1
    assert "whose mean of the last 2 rows is best" in figure.get_supxlabel().replace("\n", " ")


def test_of_many_panels_twelve_are_shown_from_the_first_to_the_last(plan, trained) -> None:
    figure = rates.figure(trained(plan("problem.k=[1, 2, 3, 4, 5, 6, 7, 8]"), rounds=1))
    assert figure is not None
    shown = [ax.get_title() for ax in figure.axes]
    assert (len(shown), shown[0], shown[-1]) == (12, "bp-sgd (k = 1)", "dfa-sgd (k = 8)")
    assert "12 of 16 panels are shown" in figure.get_supxlabel().replace("\n", " ")


def test_nothing_tuned_gives_no_figure(plan, trained) -> None:
    assert rates.figure(trained(plan("learning_rates.sgd=0.1"))) is None


def test_accuracies_on_held_out_images_are_called_so(plan, trained) -> None:
    for split, label in (("test", "test accuracy"), ("validation", "validation accuracy")):
        results = trained(plan(f"tuning.split={split}"))
        drawn = [rates.figure(results), budget.figure(results)]
        labels = [axes.get_ylabel() for figure in drawn for axes in figure.axes]
        assert all(label in found for found in labels)
        axes = Figure().add_subplot()
        panels.tuning(axes, results, results.plan.cells)
        assert axes.get_ylabel().startswith(label)

"""The thesis' figures: what each of them shows, on made-up results of small versions of its space."""

import pytest

from dfa_tune.analysis import figures
from dfa_tune.analysis.figure_modules import figure_module
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep, space_names

SMALL = {
    "quickstart": [],
    "fig_2_2": ["training.epochs=3", "problem.n=[256]"],
    "fig_3_6": ["training.epochs=3", "problem.n=[256]", "problem.d=[5, 15]", "repetitions=2"],
}
DIGITS = ["training.epochs=3", "problem.dataset=digits"]
TITLES = {
    "quickstart": [
        "Learning rates tried (ring: chosen)",
        "Fresh seeds at the chosen rate",
        "After the last epoch",
    ],
    "fig_2_1": ["The data: is the sum of 3 digits odd?", "k = 1", "k = 3"],
    "fig_2_1-no_decay": ["The data: is the sum of 3 digits odd?", "k = 1", "k = 3"],
    "fig_2_2": ["The data: 3 x 3 clusters", "d = 15", "n = 256"],
    "fig_3_1": ["k = 1", "k = 3"],
    "fig_3_1-no_decay": ["k = 1", "k = 3"],
    "fig_3_2": ["Accuracy", "Alignment"],
    "fig_3_2-no_decay": ["Accuracy", "Alignment"],
    "fig_3_3": ["After the last epoch, fresh seeds", "Learning rates tried (ring: chosen)"],
    "fig_3_3-no_decay": ["After the last epoch, fresh seeds", "Learning rates tried (ring: chosen)"],
    "fig_3_4": ["BP", "DFA", "After the last epoch"],
    "fig_3_4-no_decay": ["BP", "DFA", "After the last epoch"],
    "fig_3_4-as_run": ["BP", "DFA", "After the last epoch"],
    "fig_3_4-validation": ["BP", "DFA", "After the last epoch"],
    "fig_3_5": ["Feedback and weights", "DFA's gradient and BP's", "Accuracy"],
    "fig_3_5-no_decay": ["Feedback and weights", "DFA's gradient and BP's", "Accuracy"],
    "fig_3_6": ["The data: 3 x 3 clusters", "d = 15", "n = 256", "RMSProp, n = 256 (thin: training error)"],
    "fig_5_2": [
        *("bp-sgd, by digit", "bp-sgd, by parity", "A linear probe for the digit"),
        *("dfa-sgd, by digit", "dfa-sgd, by parity"),
    ],
}


@pytest.mark.parametrize("name", TITLES)
@pytest.mark.parametrize(("rounds", "caption"), [(0, "No repetition is finished."), (4, "mean and 95%")])
def test_every_figure_has_its_panels_before_the_first_trial_and_at_the_end(
    name: str, rounds: int, caption: str, trained
) -> None:
    figure = figures.draw(trained(Plan(load_sweep(name, overrides=SMALL.get(name, DIGITS))), rounds=rounds))
    assert [ax.get_title() for ax in figure.axes] == TITLES[name]
    assert caption in figure.get_supxlabel().replace("\n", " ")
    figure.draw_without_rendering()


def test_spaces_without_a_figure_of_their_own_are_those_that_are_not_the_thesis() -> None:
    without = {name for name in space_names() if figure_module(load_sweep(name)) is None}
    assert without == {"classify", "depth", "depth_parity", "frenkel_mnist", "nokland_mnist"}
    assert without | set(TITLES) == set(space_names())


def test_more_axes_than_the_figure_is_made_for_give_the_default_figure(trained) -> None:
    wider = load_sweep("fig_3_4", overrides=[*DIGITS, "problem.k=[1, 2]", "repetitions=1"])
    results = trained(Plan(wider))
    assert [ax.get_title() for ax in figures.draw(results).axes] == ["k = 1", "k = 2", "After the last epoch"]


def test_the_clusters_figure_shows_the_error_against_n_and_d(trained) -> None:
    plan = Plan(load_sweep("fig_2_2", overrides=["training.epochs=1"]))
    results = trained(plan, lambda trial, epoch: 1 - trial.problem.d / trial.problem.n / 4)
    _, by_n, by_d = figures.draw(results).axes
    curves = [next(line for line in ax.lines if len(line.get_xdata()) > 2) for ax in (by_n, by_d)]
    assert curves[0].get_xdata().tolist() == [32, 64, 128, 256, 512]
    assert curves[0].get_ydata() == pytest.approx([15 / n / 4 for n in (32, 64, 128, 256, 512)])
    assert curves[1].get_xdata().tolist() == [5, 10, 15, 20, 25]
    assert curves[1].get_ydata() == pytest.approx([d / 1024 for d in (5, 10, 15, 20, 25)])

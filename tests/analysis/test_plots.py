"""What panels show, read back from matplotlib's objects."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from dfa_tune.analysis import plots
from dfa_tune.planning.sweep_results import SweepResults


@pytest.fixture
def ax():
    return Figure().subplots()


def drawn(ax) -> list:
    """The lines with data of several points: the methods' curves."""
    return [line for line in ax.lines if len(line.get_xdata()) > 2]


def test_a_curve_is_the_mean_by_epoch_with_scipys_interval(plan, trained) -> None:
    plan = plan()
    rows = trained(plan).repeat_rows
    line = plots.curve(rows[rows.method == "dfa-sgd"], "test_accuracy")
    values = np.array([0.7 + 0.02 + (seed % 7) / 100 for seed in plan.sweep.repetition_seeds])
    low, high = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
    assert line.index.tolist() == [1, 2, 3, 4]
    assert line.loc[[2]].to_numpy()[0] == pytest.approx([values.mean(), low, high])


def test_after_a_divergence_the_last_accuracy_counts_and_the_loss_ends(plan, trained, learning) -> None:
    plan = plan()
    lost = plan.sweep.repetition_seeds[0]

    def accuracy(trial, epoch):
        if trial.stage == "tune":
            return learning(trial, epoch)
        return None if trial.seed == lost and epoch > 2 else 0.6 + epoch / 10

    rows = trained(plan, accuracy).repeat_rows
    rows = rows[rows.method == "bp-sgd"]
    assert plots.curve(rows, "test_accuracy").loc[4, "mean"] == pytest.approx((0.8 + 1.0 + 1.0) / 3)
    assert plots.curve(rows, "train_loss")["mean"].notna().tolist() == [True, True, False, False]


def test_one_repetition_has_a_line_and_no_band(plan, trained, ax) -> None:
    plan = plan("repetitions=1")
    results = trained(plan)
    repeated = results.repeat_rows
    plots.by_epoch(ax, repeated, plots.styles(results))
    assert len(drawn(ax)) == 2
    assert plots.curve(repeated[repeated.method == "bp-sgd"], "test_accuracy")["low"].isna().all()


def test_the_error_is_one_minus_the_accuracy_against_the_axis(plan, trained, ax) -> None:
    plan = plan("problem.k=[1, 2, 3]")
    results = trained(plan, lambda trial, epoch: 1 - trial.problem.k / 10)
    plots.final_by_axis(ax, results.finals, "k", plots.styles(results), error=True)
    line = drawn(ax)[0]
    assert line.get_xdata().tolist() == [1, 2, 3]
    assert line.get_ydata().tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_an_axis_of_words_is_spread_evenly(plan, trained, ax) -> None:
    plan = plan("network.hidden=[[8], [8, 4], [4]]")
    results = trained(plan)
    plots.final_by_axis(ax, results.finals, "hidden", plots.styles(results))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["4", "8", "8,4"]


def test_the_tuning_panel_has_every_rate_and_rings_the_chosen_one(plan, trained, ax) -> None:
    plan = plan()
    results = trained(plan, rounds=1)
    plots.tuning(ax, results, plots.styles(results), plan.cells)
    assert [list(line.get_xdata()) for line in drawn(ax)] == [[0.01, 0.1, 1.0]] * 2
    assert [list(line.get_xdata()) for line in ax.lines if line.get_fillstyle() == "none"] == [[0.1], [0.1]]


def test_methods_differ_in_marker_and_rules_in_line(plan, trained) -> None:
    plan = plan(
        "methods=[{rule: [bp, dfa, relu_features], optimizer: [sgd, adam, adagrad]}]",
        "learning_rates={sgd: 0.1, adam: 0.1, adagrad: 0.1}",
    )
    look = plots.styles(trained(plan, rounds=0))
    assert len({(style.color, style.marker) for style in look.values()}) == 9
    by_rule = {name.split("-")[0]: style.linestyle for name, style in look.items()}
    assert len(set(by_rule.values())) == 3
    assert look["bp-adam"].linestyle == look["bp-sgd"].linestyle


def test_a_method_looks_the_same_before_the_others_are_there(plan, trained, ax) -> None:
    plan = plan()
    results = trained(plan)
    look = plots.styles(results)
    rows = results.repeat_rows
    plots.by_epoch(ax, rows[rows.method == "dfa-sgd"], look)
    assert [line.get_color() for line in drawn(ax)] == [look["dfa-sgd"].color]


@pytest.mark.parametrize(
    ("repetitions", "words"),
    [(3, "n = 3 repetitions: mean and its 95% interval (Student's t)"), (1, "no interval")],
)
def test_the_caption_names_n_interval_data_and_weight_decay(plan, trained, repetitions, words) -> None:
    plan = plan(f"repetitions={repetitions}")
    caption = plots.caption(trained(plan))
    assert words in caption
    assert "digits" in caption
    assert "weight decay 0.001." in caption


def test_the_caption_names_another_precision_than_the_default(plan, trained) -> None:
    plan = plan("training.precision=bfloat16")
    assert "weight decay 0.001; products in bfloat16." in plots.caption(trained(plan))


def test_the_caption_of_a_partial_sweep_gives_the_range_of_n(plan, trained) -> None:
    plan = plan()
    results = trained(plan)
    rows, ids = results.rows, results.finals.trial_id.tolist()
    partial = SweepResults(plan, rows[~rows.trial_id.isin(ids[:2])])
    assert "n = 1 to 3" in plots.caption(partial)


def test_the_caption_says_how_many_repetitions_diverged(plan, trained, learning) -> None:
    plan = plan()
    lost = plan.sweep.repetition_seeds[0]
    results = trained(plan, lambda t, epoch: None if t.seed == lost and epoch > 2 else learning(t, epoch))
    assert "Diverged repetitions (2)" in plots.caption(results)
    results = trained(plan, lambda t, epoch: None if t.learning_rate == 1.0 else learning(t, epoch))
    assert "iverged" not in plots.caption(results)  # tuning alone met a divergence


def test_methods_of_one_rule_differ_in_their_lines_and_rules_differ_before_optimizers_do(
    plan, trained
) -> None:
    two = plan("methods=[{rule: dfa, optimizer: [sgd, adam]}]", "learning_rates.adam=0.1")
    one = plots.styles(trained(two, rounds=0))
    assert len({str(style.linestyle) for style in one.values()}) == 2
    rates = "learning_rates={sgd: 1, adagrad: 1, adadelta: 1, rmsprop: 1, adam: 1}"
    ten = plan("methods=[{rule: [bp, dfa], optimizer: [sgd, adagrad, adadelta, rmsprop, adam]}]", rates)
    many = plots.styles(trained(ten, rounds=0))
    assert many["bp-adam"].color == many["dfa-adam"].color
    assert many["bp-adam"].linestyle == many["bp-sgd"].linestyle != many["dfa-adam"].linestyle
    assert len({(style.color, str(style.linestyle)) for style in many.values()}) == 10

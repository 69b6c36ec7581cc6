"""What panels show, read back from the lines, bands and labels that matplotlib has."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from dfa_tune.analysis import panels
from dfa_tune.analysis.styles import GREY, styles
from dfa_tune.planning.plan import Plan


@pytest.fixture
def ax():
    return Figure().subplots()


def drawn(ax) -> list:
    """The curves of methods: lines with several points."""
    return [line for line in ax.lines if len(line.get_xdata()) > 2]


def grey_levels(ax) -> list[float]:
    """The heights of the horizontal lines at chance."""
    return [line.get_ydata()[0] for line in ax.lines if line.get_color() == GREY]


def tick_labels(ax) -> list[str]:
    return [label.get_text() for label in ax.get_xticklabels()]


def test_a_curve_is_the_mean_by_epoch_with_scipys_interval(plan, trained) -> None:
    results = trained(plan())
    rows = results.repeat_rows
    line = panels.curve(rows[rows.method == "dfa-sgd"], "test_accuracy")
    values = np.array([0.7 + 0.02 + (seed % 7) / 100 for seed in results.sweep.repetition_seeds])
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
    assert panels.curve(rows, "test_accuracy").loc[4, "mean"] == pytest.approx((0.8 + 1.0 + 1.0) / 3)
    assert panels.curve(rows, "train_loss")["mean"].notna().tolist() == [True, True, False, False]


def test_the_lines_by_epoch_are_the_curves_of_the_methods_in_their_colours(plan, trained, ax) -> None:
    results = trained(plan())
    rows = results.repeat_rows
    panels.by_epoch(ax, results, rows)
    look = styles(results)
    assert [line.get_color() for line in drawn(ax)] == [look["bp-sgd"].color, look["dfa-sgd"].color]
    for line, method in zip(drawn(ax), look, strict=True):
        expected = panels.curve(rows[rows.method == method], "test_accuracy")
        assert line.get_xdata().tolist() == [1, 2, 3, 4]
        assert line.get_ydata().tolist() == expected["mean"].tolist()
    assert ax.get_ylabel() == "test accuracy (fraction)"


def test_a_method_looks_the_same_before_the_others_are_there(plan, trained, ax) -> None:
    results = trained(plan())
    partial = replace(results, rows=results.rows[results.rows.method == "dfa-sgd"])
    panels.by_epoch(ax, partial, partial.repeat_rows)
    assert [line.get_color() for line in drawn(ax)] == [styles(results)["dfa-sgd"].color]


def test_one_repetition_has_a_line_and_no_band(plan, trained, ax) -> None:
    results = trained(plan("repetitions=1"))
    panels.by_epoch(ax, results, results.repeat_rows)
    assert len(drawn(ax)) == 2
    assert all(np.isnan(path.vertices).all() or not len(path.vertices) for band in ax.collections
               for path in band.get_paths())  # fmt: skip


def test_bands_and_intervals_of_accuracies_stay_between_0_and_1(plan, trained) -> None:
    # Mean 0.95 and 0.05: Student's t interval of three such values is 0.2 wide on each side
    def accuracy(trial, epoch):
        spread = 0.08 * (plan.sweep.repetition_seeds.index(trial.seed) - 1) if trial.stage == "repeat" else 0
        return (0.92 if trial.method.rule == "bp" else 0.08) + spread

    plan = plan()
    results = trained(plan, accuracy)
    bands, bars = Figure().subplots(1, 2)
    panels.by_epoch(bands, results, results.repeat_rows)
    edges = np.concatenate([path.vertices[:, 1] for band in bands.collections for path in band.get_paths()])
    assert (edges.min(), edges.max()) == (0, 1)
    panels.final_by_method(bars, results, results.finals)
    across = [point for bar in bars.collections for line in bar.get_segments() for point in line[:, 0]]
    assert (min(across), max(across)) == (0, 1)
    assert panels.mean_and_lengths(results.finals.accuracy[:3]) == pytest.approx(
        (0.92, 0.1987, 0.08), abs=1e-4
    )


def test_the_error_is_one_minus_the_accuracy_against_the_axis(plan, trained, ax) -> None:
    results = trained(plan("problem.k=[1, 2, 3]"), lambda trial, epoch: 1 - trial.problem.k / 10)
    panels.final_by_axis(ax, results, results.finals, "k", error=True)
    line = drawn(ax)[0]
    assert line.get_xdata().tolist() == [1, 2, 3]
    assert line.get_ydata().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("k (digits in a tuple)", "final test error (fraction)")


def test_single_widths_are_numbers_in_ascending_order(plan, trained, ax) -> None:
    results = trained(
        plan("network.hidden=[[256], [64], [1024]]"), lambda trial, epoch: trial.network.hidden[0] / 2048
    )
    panels.final_by_axis(ax, results, results.finals, "hidden")
    assert drawn(ax)[0].get_xdata().tolist() == [64, 256, 1024]
    assert drawn(ax)[0].get_ydata().tolist() == [1 / 32, 1 / 8, 1 / 2]
    assert tick_labels(ax) == ["64", "256", "1024"]
    assert ax.get_xscale() == "log"


def test_lists_of_widths_stand_after_single_ones_in_the_order_of_the_space(plan, trained, ax) -> None:
    results = trained(plan("network.hidden=[[256], [8, 4], [64], [4, 4, 4]]"))
    panels.final_by_axis(ax, results, results.finals, "hidden")
    assert tick_labels(ax) == ["64", "256", "8,4", "4,4,4"]
    assert {line.get_linestyle() for line in drawn(ax)} == {"None"}  # no line joins what is no number


def test_the_tuning_panel_has_every_rate_and_rings_the_chosen_one(plan, trained, ax) -> None:
    results = trained(plan(), rounds=1)
    panels.tuning(ax, results, results.plan.cells)
    assert [list(line.get_xdata()) for line in drawn(ax)] == [[0.01, 0.1, 1.0]] * 2
    # The mean of epochs 3 and 4 is 0.035 above the peaks, and BP is 0.1 above DFA
    assert drawn(ax)[0].get_ydata() == pytest.approx([0.735, 0.835, 0.635])
    assert [list(line.get_xdata()) for line in ax.lines if line.get_fillstyle() == "none"] == [[0.1], [0.1]]
    assert ax.get_ylabel() == "test accuracy (fraction), mean of the last 2 rows"


def test_the_tuning_panel_has_the_mean_over_tuning_seeds_and_a_dot_for_each(plan, trained, ax) -> None:
    results = trained(plan("tuning.seeds=2"), lambda trial, epoch: 0.9 if trial.seed == 0 else 0.6, rounds=1)
    panels.tuning(ax, results, results.plan.cells[:1])
    mean, dots = drawn(ax)[0], next(line for line in ax.lines if line.get_marker() == ".")
    assert mean.get_ydata() == pytest.approx([0.75] * 3)
    assert sorted(dots.get_ydata()) == pytest.approx([0.6] * 3 + [0.9] * 3)


def test_chance_is_one_over_the_number_of_classes(plan, trained, monkeypatch) -> None:
    plan = plan()
    settings = type(plan.sweep.points[0].problem)
    monkeypatch.setattr(settings, "classes", 10)
    results = trained(Plan(plan.sweep))
    accuracy, error = Figure().subplots(1, 2)
    panels.by_epoch(accuracy, results, results.repeat_rows)
    panels.dress(error, results, "test_error", empty=False)
    assert (grey_levels(accuracy), grey_levels(error)) == ([0.1], [0.9])


def test_final_accuracies_fill_the_panel_where_chance_is_far_below_them(plan, trained) -> None:
    near, far = Figure().subplots(1, 2)
    high = trained(plan("problem.k=[1, 2]"), lambda trial, epoch: 0.95 + 0.01 * trial.problem.k)
    panels.final_by_axis(far, high, high.finals, "k")
    assert far.get_ylim()[0] > 0.9
    wide = trained(plan("problem.k=[1, 2]"), lambda trial, epoch: 0.9 - 0.2 * (trial.problem.k - 1))
    panels.final_by_axis(near, wide, wide.finals, "k")
    assert near.get_ylim()[0] < 0.5  # chance is in view


def test_an_alignment_has_no_line_at_chance(plan, trained, ax) -> None:
    results = trained(plan())
    panels.by_epoch(ax, results, results.repeat_rows, "feedback_alignment")
    assert grey_levels(ax) == []


def test_an_empty_panel_says_what_it_waits_for(plan, trained, ax) -> None:
    results = trained(plan(), rounds=1)
    panels.by_epoch(ax, results, results.repeat_rows)
    assert [text.get_text() for text in ax.texts] == ["no finished repetition yet"]

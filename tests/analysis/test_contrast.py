"""The paired difference of two methods along an axis."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dfa_tune.analysis import contrast, figures, for_paper
from dfa_tune.analysis.along_axis import along
from dfa_tune.analysis.drawn_axes import length
from dfa_tune.errors import UserError
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.planning.trial import Trial

PAIR = ("bp-sgd", "dfa-sgd")
GAP = {1: 0.125, 3: 0.25}  # of BP over DFA at each k, plus what a repetition adds


def accuracy(trial: Trial, epoch: int) -> float:
    """DFA is GAP[k] behind, in repetition r half a point more for each r; both vary much more by seed."""
    common = 0.5 + (trial.seed % 17) / 100
    lag = GAP[trial.problem.k] + 0.005 * (trial.repetition or 0)
    return common - (lag if trial.method.rule == "dfa" else 0.0)


def test_differences_are_paired_by_seed_at_each_point(plan, trained) -> None:
    results = trained(plan("problem.k=[1, 3]"), accuracy)
    table = contrast.differences(results, PAIR, along(results, None, None, "--x"))
    assert list(table.columns) == ["k", "seed", "difference"]
    for k, gap in GAP.items():
        found = sorted(table.loc[table["k"] == k, "difference"])
        assert found == pytest.approx([gap + 0.005, gap + 0.010, gap + 0.015])


def test_a_repetition_that_only_one_method_has_is_left_out(plan, trained) -> None:
    results = trained(plan("problem.k=[1, 3]"), accuracy)
    lost = results.finals.query("method == 'dfa-sgd' and k == 3")["trial_id"].iloc[0]
    fewer = SweepResults(results.plan, results.rows[results.rows["trial_id"] != lost])
    table = contrast.differences(fewer, PAIR, along(fewer, None, None, "--x"))
    assert table.groupby("k").size().to_dict() == {1: 3, 3: 2}


def test_the_figure_shows_means_and_students_interval(plan, trained) -> None:
    results = trained(plan("problem.k=[1, 3]"), accuracy)
    figure, caption = contrast.figure(results, PAIR)
    (ax,) = figure.axes
    (bars,) = ax.containers
    line, _, (segments,) = bars.lines
    np.testing.assert_allclose(line.get_xdata(), [1, 3])
    np.testing.assert_allclose(line.get_ydata(), [0.135, 0.26])
    half = stats.t.ppf(0.975, 2) * 0.005 / math.sqrt(3)
    np.testing.assert_allclose(segments.get_segments()[0][:, 1], [0.135 - half, 0.135 + half])
    assert "mean over n = 3 repetitions" in caption
    assert figure.get_label() == "tiny-bp-sgd-minus-dfa-sgd"


def test_there_is_a_panel_for_each_value_and_a_line_for_each_combination_of_the_rest(plan, trained) -> None:
    overrides = ("problem.k=[1, 3]", "network.hidden=[[8], [16]]", "training.weight_decay=[0, 0.1, 0.2]")
    results = trained(plan(*overrides), accuracy)
    figure, _ = contrast.figure(results, PAIR, x="k", panels="weight_decay")
    assert [ax.get_title() for ax in figure.axes] == [f"weight_decay = {d}" for d in ("0", "0.1", "0.2")]
    assert [len(ax.containers) for ax in figure.axes] == [2, 2, 2]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["hidden = 8", "hidden = 16"]
    assert len({ax.get_ylim() for ax in figure.axes}) == 1


def test_a_sweep_without_axes_has_one_point(plan, trained) -> None:
    figure, _ = contrast.figure(trained(plan()), PAIR)
    ((line, *_),) = (bars.lines for bars in figure.axes[0].containers)
    assert len(line.get_ydata()) == 1


@pytest.mark.parametrize(
    ("methods", "options", "message"),
    [
        (("bp-sgd", "dfa"), {}, "--contrast dfa: not a method of tiny; valid: bp-sgd, dfa-sgd. Did you mean"),
        (("bp-sgd", "bp-sgd"), {}, "name two different methods"),
        (PAIR, {"x": "n"}, "--x n: not an axis of tiny; valid: k"),
        (PAIR, {"panels": "d"}, "--panels d: not an axis of tiny; valid: k"),
        (PAIR, {"x": "problem.k", "panels": "k"}, "--x and --panels are both k"),
    ],
)
def test_what_the_sweep_does_not_have_is_refused(plan, trained, methods, options, message: str) -> None:
    results = trained(plan("problem.k=[1, 3]"), accuracy)
    with pytest.raises(UserError) as refused:
        contrast.figure(results, methods, **options)
    assert message in str(refused.value)


def test_before_both_methods_have_a_repetition_it_says_so(plan, trained) -> None:
    with pytest.raises(UserError, match="no repetition of both bp-sgd and dfa-sgd is finished yet"):
        contrast.figure(trained(plan("problem.k=[1, 3]"), accuracy, rounds=1), PAIR)


def test_the_file_is_as_wide_as_a_column_with_fonts_that_publishers_take(plan, trained, tmp_path) -> None:
    figure, _ = contrast.figure(trained(plan("problem.k=[1, 3]"), accuracy), PAIR)
    (path,) = figures.save(figure, tmp_path, formats=["pdf"])
    content = Path(path).read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/Type3" not in content
    assert f"/MediaBox [ 0 0 {for_paper.COLUMN * 72:.0f}".encode() in content
    assert Path(figures.save(figure, tmp_path, "again", formats=["pdf"])[0]).read_bytes() == content


def test_a_number_that_does_not_vary_is_no_axis_across(plan, trained) -> None:
    results = trained(plan("problem.k=[3]", "network.activation=[relu, tanh]"))
    table = results.finals.assign(k=3)
    assert length(results, "activation", table) > length(results, "k", table)

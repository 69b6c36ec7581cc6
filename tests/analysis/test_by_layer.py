"""Alignment by hidden layer: the table of the last recorded epoch, and the figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dfa_tune.analysis import by_layer
from dfa_tune.planning.sweep_results import SweepResults

DEEP = ("network.hidden=[8, 8]", "repetitions=2")
NAN = float("nan")


@pytest.fixture
def aligned(plan, trained) -> Callable[..., SweepResults]:
    """Results of two hidden layers, with lists from a function of the row (a pandas Series)."""

    def make(lists: Callable[[pd.Series], list[float] | None], *overrides: str) -> SweepResults:
        results = trained(plan(*DEEP, *overrides))
        rows = results.rows.assign(
            gradient_alignment_by_layer=results.rows.apply(lists, axis=1),
            gradient_norm_ratio_by_layer=[np.array([2.0, 4.0])] * len(results.rows),
            feedback_alignment_by_layer=[
                np.array([0.5, NAN]) if rule == "dfa" else None for rule in results.rows["rule"]
            ],
        )
        return replace(results, rows=rows)

    return make


def by_epoch(row: pd.Series) -> np.ndarray:
    """BP: 1 and 1; else the epoch over 10, and that over 2; 0.1 more in the second repetition."""
    if row["rule"] == "bp":
        return np.array([1.0, 1.0])
    return np.array([row["epoch"] / 10, row["epoch"] / 20]) + (0.1 if row["repetition"] == 2 else 0.0)


def test_the_table_has_the_mean_of_the_last_epoch_for_each_layer(aligned) -> None:
    table = by_layer.layers_table(aligned(by_epoch))
    assert [(row["method"], row["layer"], row["n"]) for row in table] == [
        ("bp-sgd", 1, 2), ("bp-sgd", 2, 2), ("dfa-sgd", 1, 2), ("dfa-sgd", 2, 2),
    ]  # fmt: skip
    assert [row["gradient_alignment"] for row in table] == pytest.approx([1, 1, 0.45, 0.25])  # of epoch 4
    assert [row["gradient_norm_ratio"] for row in table] == [2, 4, 2, 4]


def test_what_does_not_apply_or_vanishes_is_null(aligned) -> None:
    table = by_layer.layers_table(aligned(by_epoch))
    assert [row["feedback_alignment"] for row in table] == [None, None, 0.5, None]


def test_a_repetition_that_diverged_counts_with_its_last_recorded_epoch(aligned) -> None:
    def lists(row: pd.Series) -> np.ndarray | None:
        return None if row["repetition"] == 1 and row["epoch"] > 2 else by_epoch(row)

    results = aligned(lists)
    gone = (results.rows["repetition"] == 1) & (results.rows["epoch"] > 2)
    for name in by_layer.BY_LAYER:
        results.rows.loc[gone, name] = None
    dfa = [row for row in by_layer.layers_table(results) if row["method"] == "dfa-sgd"]
    assert [row["gradient_alignment"] for row in dfa] == pytest.approx([(0.2 + 0.5) / 2, (0.1 + 0.3) / 2])


def test_results_of_before_the_columns_have_no_rows(plan, trained) -> None:
    results = trained(plan(*DEEP))
    assert (
        by_layer.layers_table(replace(results, rows=results.rows.drop(columns=list(by_layer.BY_LAYER)))) == []
    )


def test_the_figure_has_a_panel_for_each_measure_and_a_line_for_each_layer(aligned) -> None:
    figure = by_layer.figure(aligned(by_epoch))
    assert [ax.get_title() for ax in figure.axes] == ["dfa-sgd"] * 3  # BP's own gradient is left out
    feedback, gradient, norm = figure.axes
    assert [list(line.get_ydata()) for line in feedback.lines] == [[0.5] * 4]
    first, second = (line.get_ydata() for line in gradient.lines)
    assert first == pytest.approx([0.15, 0.25, 0.35, 0.45])
    assert second == pytest.approx([0.10, 0.15, 0.20, 0.25])
    assert [list(line.get_ydata()) for line in norm.lines] == [[2] * 4, [4] * 4]
    figure.draw_without_rendering()


def test_of_many_methods_and_points_it_shows_some_and_says_so(aligned) -> None:
    figure = by_layer.figure(aligned(by_epoch, "problem.k=[1, 2, 3, 4, 5]"))
    assert [ax.get_title() for ax in figure.axes[::3]] == [f"dfa-sgd, k = {k}" for k in (1, 2, 4, 5)]
    assert "4 of 5 panels are shown" in figure.get_supxlabel().replace("\n", " ")


def test_networks_with_one_hidden_layer_have_no_such_figure(plan, trained) -> None:
    assert by_layer.figure(trained(plan())) is None

"""What a notebook shows of sweeps and results."""

from __future__ import annotations

import re

from dfa_tune.planning import notebook
from dfa_tune.planning.sweep import load_sweep


def cells(html: str) -> list[list[str]]:
    """The texts of a table's rows."""
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in rows]


def test_a_sweep_shows_its_methods_and_learning_rates(plan) -> None:
    html = plan("problem.k=[1, 3]", "learning_rates.sgd=[0.1, 0.2]").sweep._repr_html_()
    assert cells(html) == [["method", "learning rates"], ["bp-sgd", "0.1, 0.2"], ["dfa-sgd", "0.1, 0.2"]]
    assert "3 repetitions of each method at 2 points of problem.k" in html


def test_results_show_each_method_at_each_point(plan, trained) -> None:
    accuracies = {1: [0.6, 0.7, 0.8], 3: [0.5, 0.5, 0.5]}

    def accuracy(trial, epoch):
        return accuracies[trial.problem.k][(trial.repetition or 1) - 1]

    html = trained(plan("problem.k=[1, 3]", "learning_rates.sgd=0.1"), accuracy)._repr_html_()
    assert cells(html)[:3] == [
        ["method", "k", "learning rate", "n", "mean accuracy", "sd"],
        ["bp-sgd", "1", "0.1", "3", "0.7", "0.1"],
        ["bp-sgd", "3", "0.1", "3", "0.5", "0"],
    ]


def test_results_without_a_repetition_say_so(plan, trained) -> None:
    assert (
        "no finished repetition yet; 6 trials of tuning are done" in trained(plan(), rounds=1)._repr_html_()
    )


def test_a_strangers_text_is_escaped(space) -> None:
    html = load_sweep(space, overrides=['title="<script>"'])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_what_is_not_known_is_a_dash() -> None:
    assert cells(notebook.table("t", ["a", "b"], [(None, float("nan"))]))[1] == ["-", "-"]

"""The chosen learning rates along an axis."""

from __future__ import annotations

import pytest

from dfa_tune.analysis import rates_by
from dfa_tune.errors import UserError
from dfa_tune.planning.trial import Trial


def accuracy(trial: Trial, epoch: int) -> float:
    """BP is best at 0.1 for every k; DFA at 0.01, the lowest rate, for k = 3."""
    best = 0.01 if trial.method.rule == "dfa" and trial.problem.k == 3 else 0.1
    return 0.9 if trial.learning_rate == best else 0.6


def test_each_method_is_a_line_of_the_rates_that_were_chosen(plan, trained) -> None:
    figure, caption = rates_by.figure(trained(plan("problem.k=[1, 3]"), accuracy), "k")
    (ax,) = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.lines if line.get_label()[0] != "_"}
    assert lines == {"bp-sgd": [[1, 0.1], [3, 0.1]], "dfa-sgd": [[1, 0.1], [3, 0.01]]}
    assert ax.get_yscale() == "log"
    assert figure.get_label() == "tiny-rates-by-k"
    rings = [line.get_xydata().tolist() for line in ax.lines if line.get_fillstyle() == "none"]
    assert rings == [[], [[3, 0.01]]]
    assert "A ring marks the edge of the range tried." in caption


def test_where_nothing_was_tuned_it_says_so(plan, trained) -> None:
    results = trained(plan("problem.k=[1, 3]", "learning_rates.sgd=0.1"))
    with pytest.raises(UserError, match="no learning rate is chosen by tuning yet"):
        rates_by.figure(results, "k")

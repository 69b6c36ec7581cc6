"""NAME draws something before there are any results, and needs nothing but the plan."""

from pathlib import Path

import pandas as pd

import dfa_tune
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.registry import FIGURES

dfa_tune.register(Path(__file__).with_name("NAME.py"))


def test_it_draws_a_sweep_without_results() -> None:
    plan = Plan(dfa_tune.load_sweep("quickstart"))
    drawn = FIGURES["NAME"](SweepResults(plan, pd.DataFrame()))
    assert len(drawn.axes) == 2

"""The worked examples of docs/CLAIMS.md and docs/tutorial.md are valid spaces, and say what the pages say."""

import re
from pathlib import Path

from dfa_tune.planning.claim_cells import terms
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import parse_sweep

PAGE = Path(__file__).parent.parent / "docs" / "CLAIMS.md"


def test_the_worked_example_is_a_space_with_a_claim_about_its_methods() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (claim,) = parse_sweep(example, "CLAIMS.md").claims
    assert claim.expected == "> 0.02 (each of 2)"
    assert [term.method for term in terms(claim)] == ["bp-sgd", "dfa-sgd", "bp-rmsprop", "dfa-rmsprop"]


def test_the_tutorial_has_a_valid_space_of_as_many_trials_as_it_says() -> None:
    text = (PAGE.parent / "tutorial.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    sweep = parse_sweep(example, "tutorial.md")
    planned = re.search(r"trials +(\d+) to (\d+) planned", text)
    assert planned is not None
    plan = Plan(sweep)
    assert [plan.planned, plan.most] == [int(number) for number in planned.groups()]
    assert [claim.id for claim in sweep.claims] == ["gap_grows", "dfa_behind"]

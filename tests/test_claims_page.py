"""The worked example of docs/CLAIMS.md is a valid search space, and its claim is about what the page says."""

import re
from pathlib import Path

from dfa_tune.planning.claim_cells import terms
from dfa_tune.planning.sweep import parse_sweep

PAGE = Path(__file__).parent.parent / "docs" / "CLAIMS.md"


def test_the_worked_example_is_a_space_with_a_claim_about_its_methods() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (claim,) = parse_sweep(example, "CLAIMS.md").claims
    assert claim.expected == "> 0.02 (each of 2)"
    assert [term.method for term in terms(claim)] == ["bp-sgd", "dfa-sgd", "bp-rmsprop", "dfa-rmsprop"]

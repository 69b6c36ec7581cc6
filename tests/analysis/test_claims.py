"""What a file of claims may say, and that the thesis' own are about what its spaces have."""

from pathlib import Path

import pytest

from dfa_tune.config.claims import Combination, Mean, RatesRatio, Spread, load_claims
from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep

CLAIM = """
- id: gap
  claim: BP is ahead of DFA
  source: section 3.1
  refuted_by: DFA ahead
  space: tiny
  sum:
    - {method: bp-sgd}
    - {method: dfa-sgd, weight: -1}
"""


def load(tmp_path: Path, text: str) -> list:
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    return load_claims(path)


def test_the_thesis_has_at_least_twenty_claims_each_with_its_place_and_what_would_refute_it() -> None:
    claims = load_claims()
    assert len(claims) >= 20
    for claim in claims:
        assert claim.source.startswith(("section", "chapter"))
        assert claim.refuted_by
        assert claim.expected


@pytest.mark.parametrize("claim", load_claims(), ids=lambda claim: claim.id)
def test_what_a_claim_is_about_is_in_its_space(claim) -> None:
    agendas = {name: Plan(load_sweep(name)) for name in claim.spaces}
    if isinstance(claim, Combination):
        terms = [term for _, part in claim.parts() for term in part if term.method is not None]
        places = [(term.space or claim.space, term.method, term.at) for term in terms]
        assert len({repr(term.at) for term in terms if "n" in term.at}) in (0, 1, 5)
    else:
        assert isinstance(claim, Spread | RatesRatio)
        methods = claim.methods if isinstance(claim, RatesRatio) else [*claim.of, *claim.over]
        places = [(claim.space, method, {}) for method in methods]
    for space, method, at in places:
        points = [
            {name: getattr(trial.problem, name) for name in at}
            for cell in agendas[space].cells
            if cell.method.name == method
            for trial in cell.due({})[-1:] or cell.tune_trials
        ]
        axes = {cell.axes.get("k") for cell in agendas[space].cells if cell.method.name == method}
        assert at in points or at.get("k") in axes, (space, method, at)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("  above: 0\n  below: 1\n", "exactly one of above, below and near"),
        ("  near: 0.8\n", "near and within belong together"),
        ("  above: 0\n  colour: red\n", "colour"),
        ("  kind: hearsay\n  above: 0\n", "mean, some, spread, rates"),
        ("  above: 0\n" + CLAIM + "  above: 1\n", "another claim above has this id"),
    ],
    ids=["two bounds", "half a margin", "unknown key", "unknown kind", "same id"],
)
def test_a_claim_that_is_not_valid_is_refused_with_its_place(tmp_path, change: str, complaint: str) -> None:
    with pytest.raises(UserError, match=r"claims\.yaml") as refused:
        load(tmp_path, CLAIM + change)
    assert complaint in str(refused.value)


def test_combinations_fill_in_their_values_and_keep_numbers_numbers(tmp_path) -> None:
    text = CLAIM + "  above: 0\n  for_each: {rule: [bp, dfa], n: [32, 64]}\n"
    (claim,) = load(tmp_path, text.replace("{method: bp-sgd}", '{method: "{rule}-sgd", at: {n: "{n}"}}'))
    assert isinstance(claim, Mean)
    parts = dict(claim.parts())
    assert list(parts)[1] == "rule = bp, n = 64"
    assert parts["rule = dfa, n = 32"][0].method == "dfa-sgd"
    assert parts["rule = dfa, n = 32"][0].at == {"n": 32}
    assert claim.expected == "> 0 (each of 4)"

"""What a file of claims may say."""

from pathlib import Path

import pytest

from dfa_tune.config.claims import Mean, load_claims
from dfa_tune.errors import UserError

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
NINETY = list(range(90))


def load(tmp_path: Path, text: str) -> list:
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    return load_claims(path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("  above: 0\n  below: 1\n", "exactly one of above, below and near"),
        ("  near: 0.8\n", "near and within belong together"),
        ("  above: 0\n  colour: red\n", "colour"),
        ("  kind: hearsay\n  above: 0\n", "mean, some, spread, rates"),
        ("  above: 0\n" + CLAIM + "  above: 1\n", "another claim above has this id"),
        ("  above: true\n", "0.above = true: valid: a number"),
        ("  above: .inf\n", "0.above = Infinity: valid: a finite number"),
        ("  above: 0\n  kind: sprad\n", "some, spread, rates. Did you mean 'spread'?"),
        ("  above: 0\n  for_each: {lazy: []}\n", "for_each.lazy"),
        (f"  above: 0\n  for_each: {{a: {NINETY}, b: {NINETY}, c: {NINETY}}}\n", "729000 combinations"),
        ("  abov: 0\n", "above, below, near, within. Did you mean 'above'?"),
    ],
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


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("{method: bp-sgd, wieght: -1}", r"0\.sum\.0\.wieght = -1: unknown key.*Did you mean 'weight'\?"),
        ("{method: bp-sgd, weight: true}", r"0\.sum\.0\.weight = true: valid: a number"),
        ("{method: bp-sgd, layer: l}", r"0\.sum\.0.*a probe needs a layer, and a method has none"),
        ("{value: test_loss}", r"0\.sum\.0.*either a method, or a probe"),
        (
            "{method: '{ruel}-sgd'}",
            r"0\.sum: \{ruel\} is not in for_each; valid: rule.*mean 'rule'\?",
        ),
    ],
)
def test_a_term_that_is_not_valid_is_refused_with_its_place(tmp_path, term: str, message: str) -> None:
    text = CLAIM.partition("  sum:")[0] + "  for_each: {rule: [bp]}\n  above: 0\n"
    with pytest.raises(UserError, match=message):
        load(tmp_path, f"{text}  sum: [{term}]\n")


def test_a_format_specification_is_not_a_placeholder(tmp_path) -> None:
    text = CLAIM.partition("  sum:")[0] + "  for_each: {rule: [bp]}\n  above: 0\n"
    (claim,) = load(tmp_path, text + "  sum: [{method: '{rule:>9999999999}'}]\n")
    assert next(claim.parts())[1][0].method == "{rule:>9999999999}"

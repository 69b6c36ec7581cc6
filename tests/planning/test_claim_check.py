"""Claims about what a search space does not have are refused, with the nearest valid name."""

from pathlib import Path

import pytest

from dfa_tune.analysis.judging import judge
from dfa_tune.config.claims import load_claims
from dfa_tune.errors import UserError
from dfa_tune.planning.claim_check import check
from dfa_tune.planning.sweep import load_sweep, parse_sweep

HEAD = "- id: mine\n  claim: c\n  source: s\n  refuted_by: r\n  space: tiny\n"
DEEP = ["network.hidden=[[64], [64, 64], [64, 64, 64]]", "problem.k=[1, 3]"]


def claims(tmp_path: Path, body: str) -> list:
    path = tmp_path / "claims.yaml"
    path.write_text(HEAD + body)
    return load_claims(path)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("  sum: [{method: bp-sdg}]\n  above: 0\n", r"no method 'bp-sdg'; valid: .*Did you mean 'bp-sgd'\?"),
        (
            "  sum: [{method: bp-sgd, at: {hiden: 64, k: 1}}]\n  above: 0\n",
            r"no axis 'hiden'.*mean 'hidden'\?",
        ),
        (
            "  sum: [{method: bp-sgd, at: {hidden: [64, 65], k: 1}}]\n  above: 0\n",
            r"no hidden = \[64, 65\]; valid: 64, 64,64, 64,64,64.*Did you mean '64,64'\?",
        ),
        ("  sum: [{method: bp-sgd, at: {k: 2}}]\n  above: 0\n", "no k = 2; valid: 1, 3"),
        (
            "  sum: [{method: bp-sgd, value: test_acuracy}]\n  above: 0\n",
            r"'test_acuracy' is not a column.*mean 'test_accuracy'\?",
        ),
        ("  sum: [{method: bp-sgd, correlate: rows}]\n  above: 0\n", "'rows' is not a column"),
        ("  sum: [{method: bp-sgd, slope: n}]\n  above: 0\n", "no axis 'n'; valid: k, hidden"),
        ("  sum: [{space: tony, method: bp-sgd}]\n  above: 0\n", r"unknown space 'tony'.*mean 'tiny'\?"),
        ("  kind: rates\n  methods: [dfa-adam, bp-sgd]\n  ratio: 2\n", "no method 'dfa-adam'"),
        ("  kind: spread\n  of: [dfa-sgd]\n  over: [bp-sgd]\n  at: {k: 5}\n", "no k = 5"),
    ],
)
def test_what_a_space_does_not_have_is_named(plan, tmp_path, body: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"claim mine: .*{message}"):
        check(claims(tmp_path, body), {"tiny": plan(*DEEP)})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{method: bp-sgd, value: feedback_alignment}", "can never be tested: bp-sgd has no feedback"),
        ("{method: dfa-sgd, first: 5}", "first: 5, but a trial of tiny has 4 rows; valid: 1 to 4"),
        ("{method: dfa-sgd, last: 9}", "last: 9, but a trial of tiny has 4 rows"),
    ],
)
def test_what_can_never_have_a_number_is_refused(plan, tmp_path, body: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"claim mine: .*{message}"):
        check(claims(tmp_path, f"  sum: [{body}]\n  above: 0\n"), {"tiny": plan()})


def test_a_correlation_needs_three_rows(plan, tmp_path) -> None:
    found = claims(tmp_path, "  sum: [{method: dfa-sgd, correlate: epoch}]\n  above: 0\n")
    with pytest.raises(
        UserError, match="never be tested: a correlation needs 3 rows, and a trial of tiny has 2"
    ):
        check(found, {"tiny": plan("training.epochs=2")})


def test_spaces_whose_repetitions_have_other_seeds_are_never_compared(plan, tmp_path) -> None:
    found = claims(
        tmp_path, "  sum: [{method: bp-sgd}, {space: other, method: bp-sgd, weight: -1}]\n  above: 0\n"
    )
    with pytest.raises(UserError, match=r"never be tested: .*other has seed 1, tiny has seed 0"):
        check(found, {"tiny": plan(), "other": plan("seed=1")})


OWN = """
claims:
  - id: gap
    claim: BP is ahead
    sum: [{method: bp-sgd}, {method: dfa-sgd, weight: -1}]
    above: 0
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("bp-sgd}", "bp-sdg}"),
            r"tiny\.yaml: claims: claim gap: tiny has no method 'bp-sdg'.*mean 'bp-sgd'\?",
        ),
        (("above", "abov"), r"claims\.0\.abov.*Did you mean 'above'\?"),
        (
            ("claim:", "space: tiny\n    claim:"),
            r"claims\.0\.space = \"tiny\": not a key of a space's own claims",
        ),
        (
            ("{method: bp-sgd}", "{method: bp-sgd, space: quickstrat}"),
            r"unknown space 'quickstrat'.*'quickstart'\?",
        ),
    ],
)
def test_a_mistake_in_a_spaces_own_claims_is_refused_when_it_is_read(
    space: Path, change, message: str
) -> None:
    space.write_text(space.read_text() + OWN.replace(*change))
    with pytest.raises(UserError, match=message):
        load_sweep(space)


def test_own_claims_are_checked_against_the_file_and_not_against_what_an_option_leaves(space: Path) -> None:
    space.write_text(space.read_text() + OWN)
    sweep = load_sweep(space, methods=["bp-sgd"])
    assert [(claim.id, claim.space, claim.source) for claim in sweep.claims] == [("gap", "tiny", "")]


def test_the_text_of_a_changed_space_keeps_the_claims_that_it_still_can_judge(space: Path) -> None:
    more = OWN + "  - {id: learns, claim: BP learns, sum: [{method: bp-sgd}], above: 0.5}\n"
    space.write_text(space.read_text() + more)
    changed = load_sweep(space, methods=["bp-sgd"], overrides=["training.epochs=2", "tuning.window=1"])
    again = parse_sweep(changed.text, "as a job or a record has it")
    assert [claim.id for claim in again.claims] == ["learns"]
    assert again.methods == changed.methods


@pytest.mark.parametrize(
    "body",
    [
        "  sum: [{method: bp-sgd, at: {k: 3}}]\n  above: 0\n",
        "  kind: rates\n  methods: [bp-sgd, dfa-sgd]\n  ratio: 2\n  at: {k: 3}\n",
        "  kind: spread\n  of: [dfa-sgd]\n  over: [bp-sgd]\n  at: {k: 3}\n",
    ],
    ids=["mean", "rates", "spread"],
)
def test_a_claim_that_leaves_an_axis_open_is_refused(plan, trained, tmp_path, body: str) -> None:
    found, deep = claims(tmp_path, body), plan(*DEEP)
    with pytest.raises(UserError, match=r"at several points .*with `at`; valid: hidden: 64, 64,64, 64,64,64"):
        check(found, {"tiny": deep})
    with pytest.raises(UserError, match="does not say at which hidden"):  # as after --set
        judge(found, {"tiny": trained(deep)})


def test_a_list_is_a_value_as_yaml_writes_it_and_chooses_its_cell(plan, trained, tmp_path) -> None:
    deep = plan(*DEEP)
    body = "  for_each: {h: [64, [64, 64, 64]]}\n  sum: [{method: bp-sgd, at: {hidden: '{h}', k: 1}}]\n"
    body += "  above: 0.65\n"
    found = claims(tmp_path, body)
    check(found, {"tiny": deep})
    results = trained(deep, lambda trial, epoch: 0.5 + len(trial.network.hidden) / 10)
    (judged,) = judge(found, {"tiny": results})
    assert (judged.part, judged.measured) == ("h = 64", pytest.approx(0.6))  # the weakest of both
    (deepest,) = judge(
        claims(tmp_path, "  sum: [{method: bp-sgd, at: {hidden: [64, 64, 64], k: 1}}]\n  above: 0\n"),
        {"tiny": results},
    )
    assert deepest.measured == pytest.approx(0.8)


def test_a_rates_claim_is_about_the_point_that_it_names(plan, trained, tmp_path) -> None:
    two = plan("problem.k=[1, 3]")

    def accuracy(trial, epoch):
        best = {("bp", 1): 1.0, ("dfa", 1): 0.01}.get((trial.method.rule, trial.problem.k), 0.1)
        return 0.9 if trial.learning_rate == best else 0.6

    body = "  kind: rates\n  methods: [bp-sgd, dfa-sgd]\n  ratio: 10\n  at: {k: %d}\n"
    results = {"tiny": trained(two, accuracy)}
    (one,), (three,) = (judge(claims(tmp_path, body % k), results) for k in (1, 3))
    assert (one.measured, one.verdict) == (pytest.approx(100), "holds")
    assert (three.measured, three.verdict) == (1, "does not hold")


def test_what_an_option_has_removed_is_not_run(plan, trained, tmp_path) -> None:
    whole, part = plan("problem.k=[1, 3]"), plan("problem.k=1")
    (found,) = claims(tmp_path, "  sum: [{method: bp-sgd, at: {k: 3}}]\n  above: 0\n")
    check([found], {"tiny": whole})
    (judged,) = judge([found], {"tiny": trained(part)})
    assert judged.verdict == "not run"

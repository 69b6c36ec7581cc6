"""Verdicts over results whose truth is known, and their rows for machines."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dfa_tune.analysis.verify import judge, summary, verify
from dfa_tune.config.claims import load_claims
from dfa_tune.errors import UserError
from dfa_tune.planning.sweep_results import SweepResults

COMMON = "  claim: c\n  source: section 1\n  refuted_by: r\n  space: tiny\n"
GAP = "  sum: [{method: bp-sgd}, {method: dfa-sgd, weight: -1}]\n"


def claims(tmp_path: Path, *bodies: str) -> list:
    path = tmp_path / "claims.yaml"
    path.write_text("".join(f"- id: claim{i}\n{COMMON}{body}" for i, body in enumerate(bodies)))
    return load_claims(path)


@pytest.fixture
def verdicts(tmp_path, plan, trained):
    """verdicts(bodies, *overrides): the verdict of each claim on results in which BP is 0.1 ahead of DFA."""

    def judged(bodies: list[str], *overrides: str) -> list:
        tiny = plan(*overrides)
        known = {"tiny": trained(tiny)}
        return judge(claims(tmp_path, *bodies), known)

    return judged


@pytest.mark.parametrize(
    ("claimed", "verdict"),
    [
        (GAP + "  above: 0\n", "holds"),
        (GAP + "  above: 0.2\n", "does not hold"),
        (GAP + "  below: 0.2\n", "holds"),
        (GAP + "  below: 0\n", "does not hold"),
        (GAP + "  near: 0.1\n  within: 0.02\n", "holds"),
        (GAP + "  near: 0.3\n  within: 0.02\n", "does not hold"),
        ("  sum: [{method: bp-sgd}]\n  above: 0.87\n", "undecided"),  # 0.87, 0.87 and 0.88
        ("  sum: [{method: bp-sgd}]\n  above: 0.5\n", "holds"),
        ("  sum: [{method: fa-sgd}]\n  above: 0.5\n", "not run"),
        (GAP + "  kind: some\n  above: 0.05\n", "holds"),
        (GAP + "  kind: some\n  above: 0.2\n", "does not hold"),
        ("  kind: spread\n  of: [dfa-sgd]\n  over: [bp-sgd]\n", "undecided"),  # as wide as each other
        ("  kind: rates\n  methods: [bp-sgd, dfa-sgd]\n  ratio: 10\n", "does not hold"),
    ],
)
def test_a_verdict_is_what_the_results_say(verdicts, claimed: str, verdict: str) -> None:
    (found,) = verdicts([claimed])
    assert found.verdict == verdict


def test_seeds_pair_the_methods_so_that_what_they_share_does_not_count(verdicts) -> None:
    apart, paired = verdicts(["  sum: [{method: bp-sgd}]\n  above: 0.6\n", GAP + "  above: 0\n"])
    assert paired.measured == pytest.approx(0.1)
    assert paired.high - paired.low < 1e-9 < apart.high - apart.low


def test_all_combinations_must_hold_and_the_weakest_is_shown(verdicts) -> None:
    body = '  for_each: {m: [bp-sgd, dfa-sgd]}\n  sum: [{method: "{m}"}]\n'
    above, between = verdicts([body + "  above: 0.55\n", body + "  above: 0.95\n"])
    assert (above.part, above.verdict) == ("m = dfa-sgd", "holds")
    assert (between.part, between.verdict) == ("m = dfa-sgd", "does not hold")


def test_more_claims_need_more_evidence(verdicts) -> None:
    body = "  sum: [{method: bp-sgd}]\n  above: 0.83\n"
    (alone,), many = verdicts([body]), verdicts([body] * 40)
    assert alone.verdict == "holds"
    assert {one.verdict for one in many} == {"undecided"}
    assert many[0].p_holds == pytest.approx(40 * alone.p_holds)


def test_one_repetition_decides_nothing(verdicts) -> None:
    (found,) = verdicts([GAP + "  above: 0\n"], "repetitions=1")
    assert (found.verdict, found.n, found.low) == ("undecided", 1, None)


@pytest.mark.parametrize(
    ("term", "measured"),
    [
        ("{method: bp-sgd, first: 2}", -0.025),  # epochs 1 and 2 of 4, each 0.01 better than the one before
        ("{method: bp-sgd, last: 3}", -0.01),
        ("{method: bp-sgd, correlate: epoch}", 1.0),
    ],
)
def test_a_term_reads_the_epochs_that_it_names(verdicts, term: str, measured: float) -> None:
    minus = "" if "correlate" in term else ", {method: bp-sgd, weight: -1}"
    (found,) = verdicts([f"  sum: [{term}{minus}]\n  above: -1\n"])
    assert found.measured == pytest.approx(measured)


def test_a_slope_is_by_doubling_of_n_and_waits_for_every_point(tmp_path, plan, trained) -> None:
    plan = plan("problem={kind: clusters, n: [8, 16, 32], d: 4}", "training.batch_size=full")
    results = trained(plan, lambda trial, epoch: 0.5 + 0.01 * trial.problem.n.bit_length())
    body = "  sum: [{method: bp-sgd, at: {d: 4}, slope: n}]\n  above: 0\n"
    (found,) = judge(claims(tmp_path, body), {"tiny": results})
    assert found.measured == pytest.approx(0.01)
    (waiting,) = judge(
        claims(tmp_path, body), {"tiny": SweepResults(plan, results.rows[results.rows["n"] < 32])}
    )
    assert waiting.verdict == "not run"


def test_a_probe_is_read_from_what_the_figure_keeps(tmp_path, plan, trained) -> None:
    plan = plan()
    extra = pd.DataFrame(
        {
            "representation": ["bp-sgd"] * 3,
            "layer": ["l"] * 3,
            "seed": [1, 2, 3],
            "accuracy": [0.3, 0.31, 0.3],
        }
    )
    body = "  sum: [{probe: bp-sgd, layer: l}]\n  below: 0.5\n"
    (found,) = judge(claims(tmp_path, body), {"tiny": replace(trained(plan), extra=extra)})
    assert (found.verdict, found.n) == ("holds", 3)


def test_the_rows_for_machines_have_the_promised_keys_and_never_nan(verdicts) -> None:
    judged = verdicts([GAP + "  above: 0\n", "  sum: [{method: fa-sgd}]\n  above: 0.5\n"])
    keys = {"id", "claim", "source", "expected", "measured", "low", "high", "n", "verdict"}
    for one in judged:
        assert set(json.loads(json.dumps(one.row(), allow_nan=False))) == keys
    assert judged[1].row()["measured"] is None
    assert summary(judged) == "Of 2 claims 1 holds, 1 is not run."


def test_a_space_that_no_claim_is_about_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match=r"no claim is about quickstart; valid: fig_2_1"):
        verify(tmp_path, spaces=["quickstart"])


def test_the_claims_about_a_space_are_for_its_variants_and_not_for_others_of_its_name(
    space: Path, tmp_path: Path
) -> None:
    text = space.read_text()
    space.write_text(text.replace("name: tiny", "name: fig_3_4"))
    with pytest.raises(UserError, match=r"no claim is about fig_3_4; .* `variant_of:`"):
        verify(tmp_path, spaces=[str(space)])
    space.write_text(text.replace("name: tiny", "name: mine\nvariant_of: fig_3_4"))
    shown = verify(tmp_path, spaces=[str(space)])
    assert {one.claim.id for one in shown} >= {"adaptive_improve_bp", "dfa_fluctuates_more"}
    assert all("fig_3_4" in one.claim.spaces for one in shown)

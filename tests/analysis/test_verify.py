"""Verdicts over results whose truth is known, and their rows for machines."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dfa_tune.analysis.judging import judge, summary
from dfa_tune.analysis.sequential import expected_repetitions, running_p
from dfa_tune.analysis.verify import verify
from dfa_tune.config.claims import load_claims
from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep, repetition_seeds
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.problems.datasets import content_digest
from dfa_tune.results.store import Store

COMMON = "  claim: c\n  source: section 1\n  refuted_by: r\n  space: tiny\n"
GAP = "  sum: [{method: bp-sgd}, {method: dfa-sgd, weight: -1}]\n"
OWN = """
claims:
  - id: ahead
    claim: BP is ahead of DFA
    sum: [{method: bp-sgd}, {method: dfa-sgd, weight: -1}]
    above: 0
  - {id: learns, claim: BP learns, sum: [{method: bp-sgd}], above: 0.5}
"""


def seeds(count: int) -> list[int]:
    return list(repetition_seeds(0, count))


def claims(tmp_path: Path, *bodies: str) -> list:
    path = tmp_path / "claims.yaml"
    path.write_text("".join(f"- id: claim{i}\n{COMMON}{body}" for i, body in enumerate(bodies)))
    return load_claims(path)


@pytest.fixture
def verdicts(tmp_path, plan, trained):
    """verdicts(bodies, *overrides): the verdict of each claim on results in which BP is 0.1 ahead of DFA."""

    def judged(bodies: list[str], *overrides: str) -> list:
        tiny = plan("repetitions=8", *overrides)
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
        ("  sum: [{method: bp-sgd}]\n  above: 0.87\n", "undecided"),  # 0.84 to 0.9
        ("  sum: [{method: bp-sgd}]\n  above: 0.5\n", "holds"),
        ("  sum: [{method: fa-sgd}]\n  above: 0.5\n", "not run"),
        (GAP + "  kind: some\n  above: 0.05\n", "holds"),
        (GAP + "  kind: some\n  above: 0.2\n", "undecided"),  # a share of a tenth may be missed eight times
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


def test_p_values_are_the_running_ones_corrected_by_holm(verdicts) -> None:
    body = "  sum: [{method: bp-sgd}]\n  above: 0.8\n"
    (alone,), (one, *_, other) = verdicts([body]), verdicts([body] * 3 + [GAP + "  above: 0\n"])
    accuracies = 0.7 + 0.1 + 0.04 + np.array([s % 7 for s in seeds(8)]) / 100
    assert alone.p_holds == pytest.approx(running_p(accuracies, 0.8)[-1])
    assert alone.p_fails == 1
    assert other.p_holds < one.p_holds == pytest.approx(3 * alone.p_holds)  # the smaller one came first


def test_an_undecided_claim_says_how_many_repetitions_it_needs_and_what_they_cost(verdicts) -> None:
    body = "  sum: [{method: bp-sgd}]\n  above: 0.868\n"
    (found,) = verdicts([body], "repetitions=3")
    accuracies = 0.84 + np.array([s % 7 for s in seeds(3)]) / 100
    effect = (accuracies.mean() - 0.868) / accuracies.std(ddof=1)
    assert found.verdict == "undecided"
    assert found.expected_n == expected_repetitions(effect, 0.05)
    # 4 epochs of 0.1 s a repetition, of one method
    assert found.expected_seconds == pytest.approx((found.expected_n - 3) * 0.4)
    (decided,) = verdicts([GAP + "  above: 0\n"])
    assert (decided.expected_n, decided.expected_seconds) == (None, None)


def test_one_repetition_decides_nothing(verdicts) -> None:
    (found,) = verdicts([GAP + "  above: 0\n"], "repetitions=1")
    assert (found.verdict, found.n, found.low, found.expected_n) == ("undecided", 1, None, None)


def test_exploded_repetitions_are_said_beside_the_verdict(tmp_path, plan, trained, learning) -> None:
    tiny = plan("repetitions=8", "problem.test_samples=10000")
    falls, diverges, *_ = tiny.sweep.repetition_seeds

    def accuracy(trial, epoch):
        if trial.method.rule == "dfa" and trial.stage == "repeat" and epoch == 4:
            return {falls: 0.515, diverges: None}.get(trial.seed, learning(trial, epoch))
        return learning(trial, epoch)

    (found,) = judge(claims(tmp_path, GAP + "  above: 0\n"), {"tiny": trained(tiny, accuracy)})
    # Clopper and Pearson's interval of 2 in 8
    assert found.row()["exploded"] == "dfa-sgd exploded in 2 of 8 (3% to 65%)"


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
    plan = plan("problem={kind: clusters, n: [8, 16, 32], d: 4}", "training.batch_size=full", "repetitions=5")
    results = trained(plan, lambda trial, epoch: 0.5 + 0.01 * trial.problem.n.bit_length())
    body = "  sum: [{method: bp-sgd, at: {d: 4}, slope: n}]\n  above: 0\n"
    (found,) = judge(claims(tmp_path, body), {"tiny": results})
    assert found.measured == pytest.approx(0.01)
    (waiting,) = judge(
        claims(tmp_path, body), {"tiny": SweepResults(plan, results.rows[results.rows["n"] < 32])}
    )
    assert waiting.verdict == "not run"


def test_a_probe_is_read_from_what_the_figure_keeps(tmp_path, plan, trained) -> None:
    plan = plan("repetitions=6")
    extra = pd.DataFrame(
        {
            "representation": ["bp-sgd"] * 5,
            "layer": ["l"] * 5,
            "seed": seeds(5),
            "accuracy": [0.3, 0.31, 0.3, 0.3, 0.31],
        }
    )
    body = "  sum: [{probe: bp-sgd, layer: l}]\n  below: 0.5\n"
    (found,) = judge(claims(tmp_path, body), {"tiny": replace(trained(plan), extra=extra)})
    assert (found.verdict, found.n) == ("holds", 5)


def test_the_rows_for_machines_have_the_promised_keys_and_never_nan(verdicts) -> None:
    judged = verdicts([GAP + "  above: 0\n", "  sum: [{method: fa-sgd}]\n  above: 0.5\n"])
    keys = {"id", "claim", "source", "expected", "measured", "low", "high", "n", "verdict"}
    keys |= {"p_holds", "p_fails", "expected_n", "expected_seconds", "exploded", "family"}
    for one in judged:
        assert set(json.loads(json.dumps(one.row(), allow_nan=False))) == keys
    assert judged[1].row()["measured"] is None
    assert summary(judged) == "Of 2 claims 1 holds, 1 is not run."


def test_a_space_that_no_claim_is_about_is_refused(space: Path, tmp_path) -> None:
    with pytest.raises(UserError, match=r"no claim is about tiny; valid: fig_2_1"):
        verify(tmp_path, spaces=[str(space)])


def test_a_spaces_own_claims_are_a_family_of_their_own(space: Path, tmp_path, trained) -> None:
    space.write_text(space.read_text().replace("repetitions: 3", "repetitions: 8") + OWN)
    sweep = load_sweep(space)
    plan = Plan(sweep, content_digest("digits", None))
    Store(tmp_path, "tiny").publish("pack", trained(plan).rows, {})
    ahead, learns = verify(tmp_path, spaces=[str(space)])
    assert (ahead.family, ahead.verdict, learns.verdict) == ("tiny", "holds", "holds")
    (alone,) = judge(sweep.claims[1:], {"tiny": trained(plan)})
    assert learns.p_holds <= 2 * alone.p_holds


def test_claims_of_a_file_are_judged_without_the_thesis(space: Path, tmp_path, trained) -> None:
    plan = Plan(load_sweep(space, overrides=["repetitions=8"]), content_digest("digits", None))
    Store(tmp_path, "tiny").publish("pack", trained(plan).rows, {})
    claims(tmp_path, GAP + "  above: 0\n")
    file = tmp_path / "claims.yaml"
    (found,) = verify(tmp_path, spaces=[str(space)], claims=file, overrides=["repetitions=8"])
    assert (found.claim.id, found.family, found.verdict) == ("claim0", str(file), "holds")
    with pytest.raises(
        UserError, match=r"claims\.yaml: claim claim0: unknown space 'tiny'; valid: .*fig_2_1"
    ):
        verify(tmp_path, claims=file)


def test_a_variant_is_not_mixed_with_the_figures_of_another_condition(space: Path, tmp_path) -> None:
    space.write_text(space.read_text().replace("name: tiny", "name: mine\nvariant_of: fig_3_1"))
    judged = {one.claim.id: one for one in verify(tmp_path, spaces=[str(space)])}
    assert judged["k1_dfa_beats_lazy"].note == "needs a variant of fig_2_1 too: conditions are not mixed"
    assert judged["k1_dfa_beats_lazy"].verdict == "not run"
    assert judged["k1_dfa_behind_bp"].note == ""


def test_two_spaces_that_stand_for_one_figure_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="fig_3_4 and fig_3_4-no_decay both stand for fig_3_4"):
        verify(tmp_path, spaces=["fig_3_4", "fig_3_4-no_decay"])


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

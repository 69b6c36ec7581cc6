"""What commands say of claims, and the options that repeat until they are decided."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dfa_tune.cli import app
from dfa_tune.cli.options import repetitions_option, sweep_to_run
from dfa_tune.errors import UserError
from dfa_tune.orchestration.cluster.submission import copied
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import Sweep, load_sweep
from dfa_tune.problems.datasets import content_digest
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store

Load = Callable[..., Sweep]
CLAIMS = """
claims:
  - {id: learns, claim: BP learns, sum: [{method: bp-sgd}], above: 0.5}
  - {id: close, claim: they differ by the seed alone, sum: [{method: bp-sgd, weight: 0}], above: 0}
"""


def test_the_options_stand_for_repetitions(load: Load) -> None:
    """By themselves: the space's number at least, and twenty at most."""
    assert option(load(repetitions=5), True, None) == "repetitions={min: 5, max: 20, until: decided}"
    assert option(load(repetitions=30), True, None) == "repetitions={min: 30, max: 30, until: decided}"
    assert option(load(repetitions=5), True, 9) == "repetitions={min: 5, max: 9, until: decided}"


def test_the_options_keep_what_the_space_says(load: Load) -> None:
    decided = load(repetitions={"min": 2, "max": 40, "until": "decided"})
    assert option(decided, True, None) == "repetitions={min: 2, max: 40, until: decided}"
    assert option(decided, False, 50) == "repetitions={min: 2, max: 50, until: decided}"
    narrow = load(repetitions={"min": 2, "max": 40, "until": {"half_width": 0.01}})
    assert option(narrow, False, 9) == "repetitions={min: 2, max: 9, until: {half_width: 0.01}}"
    assert option(narrow, True, None) == "repetitions={min: 2, max: 40, until: decided}"


def test_a_maximum_that_means_nothing_is_refused(load: Load) -> None:
    with pytest.raises(UserError, match=r"--max-repetitions 2: tiny has at least 3.*valid: 3 or more"):
        option(load(), True, 2)
    with pytest.raises(UserError, match="add --until-decided"):
        option(load(), False, 9)


def option(sweep: Sweep, until_decided: bool, most: int | None) -> str:
    return repetitions_option(sweep, until_decided, most)


def test_status_says_how_many_claims_are_decided_and_counts_all_repetitions(
    space: Path, trained: Callable[..., object], tmp_path: Path
) -> None:
    space.write_text(space.read_text() + CLAIMS)
    sweep = load_sweep(space, overrides=["repetitions=5"])
    rows = trained(Plan(sweep, content_digest("digits"))).rows
    Store(tmp_path / "results", "tiny").publish("some", rows, {})
    done = CliRunner().invoke(app, ["status", str(space), "--results", str(tmp_path / "results")])
    assert done.output.splitlines() == [
        "tiny: 16 trials: 16 done, 0 running, 0 failed, 0 remaining",
        "claims   1 of 2 claims decided",
    ]


def test_status_counts_what_undecided_claims_still_need(
    space: Path, trained: Callable[..., object], tmp_path: Path
) -> None:
    space.write_text(space.read_text().replace("repetitions: 3", "repetitions: {min: 3, max: 8}") + CLAIMS)
    rows = trained(Plan(load_sweep(space, overrides=["repetitions=3"]), content_digest("digits"))).rows
    Store(tmp_path / "results", "tiny").publish("some", rows, {})
    for command, said in (
        ("status", "tiny: 13 trials: 12 done, 0 running, 0 failed, at least 1 remaining"),
        ("plan", "  trials      13 to 17 planned, 12 done, at least 1 remaining"),
    ):
        done = CliRunner().invoke(app, [command, str(space), "--results", str(tmp_path / "results")])
        assert said in done.output.splitlines()


def test_status_counts_a_repetition_that_a_run_trains_beyond_those_of_the_space(
    space: Path, trained: Callable[..., object], tmp_path: Path
) -> None:
    sweep = load_sweep(space, overrides=["repetitions=4"])
    results = trained(Plan(sweep, content_digest("digits")))
    fourth = results.finals.loc[results.finals["seed"] == sweep.repetition_seeds[3], "trial_id"].tolist()
    store = Store(tmp_path / "results", "tiny")
    store.publish("some", results.rows[~results.rows["trial_id"].isin(fourth)], {})
    assert Leases(store).acquire("pack", fourth)
    done = CliRunner().invoke(app, ["status", str(space), "--results", str(tmp_path / "results")])
    assert done.output.splitlines() == ["tiny: 14 trials: 12 done, 2 running, 0 failed, 0 remaining"]


def test_status_judges_with_what_a_figure_keeps_beside_the_rows() -> None:
    """The claims about figure 5.2 are about probes of the weights, which are in no row."""
    results = Path(__file__).parents[2] / "docs" / "results"
    done = CliRunner().invoke(app, ["status", "fig_5_2", "--results", str(results)])
    assert re.search(r"^claims   [1-9] of \d claims decided$", done.stdout, re.MULTILINE), done.output


def test_a_plan_says_the_least_and_the_most(space: Path, tmp_path: Path) -> None:
    space.write_text(space.read_text().replace("repetitions: 3", "repetitions: {min: 3, max: 8}") + CLAIMS)
    done = CliRunner().invoke(app, ["plan", str(space), "--results", str(tmp_path / "results")])
    # Two methods with three rates and three repetitions; one of them may be repeated five times more
    assert "  trials      12 to 17 planned, 0 done, at least 12 remaining" in done.output
    assert "  until       0 of 2 claims decided" in done.output


def test_nothing_to_decide_is_refused_before_anything_starts(space: Path, tmp_path: Path) -> None:
    command = ["run", str(space), "--results", str(tmp_path / "results"), "--until-decided"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "no claim is about this space" in done.output
    assert not (tmp_path / "results").exists()


def test_a_job_on_a_cluster_repeats_as_a_run_here_does(tmp_path: Path) -> None:
    sweep = sweep_to_run("quickstart", None, None, "results", until_decided=True, max_repetitions=9)
    (tmp_path / "job.yaml").write_text(copied(sweep))
    job = load_sweep(tmp_path / "job.yaml")
    assert (job.repetitions, job.claims) == (sweep.repetitions, sweep.claims)
    assert (job.repetitions.min, job.repetitions.max, job.repetitions.until) == (5, 9, "decided")

"""Which machine may train, and what a job takes along; without a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dfa_tune.bundled import PACKAGE
from dfa_tune.cli import app
from dfa_tune.orchestration.cluster.nodes import Expected, complaints
from dfa_tune.orchestration.cluster.submission import stage
from dfa_tune.orchestration.worker.versions import differences, versions
from dfa_tune.results.provenance import revision
from dfa_tune.results.store import Store


@pytest.fixture
def expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Expected:
    """As this machine is, with the embedded data set; a machine of a cluster waits for nothing here."""
    monkeypatch.setattr("dfa_tune.orchestration.cluster.nodes.PROBE_SECONDS", 0.0)
    return Expected.here(Store(tmp_path / "results", "space"), str(tmp_path / "data"), ("digits",), "me")


def test_equal_versions_have_no_differences() -> None:
    assert differences(versions(), versions()) == []


def test_a_difference_names_both_versions() -> None:
    theirs = versions() | {"torch": "2.0.0"}
    assert differences(versions(), theirs) == [f"torch 2.0.0 instead of {versions()['torch']}"]
    assert differences({"ray": "2.60.0"}, {}) == ["ray not installed instead of 2.60.0"]


def test_the_same_version_with_other_code_is_another(tmp_path: Path) -> None:
    stage(tmp_path)
    ask = "from dfa_tune.orchestration.worker.versions import versions; print(versions()['dfa_tune'])"

    def found() -> str:
        command = [sys.executable, "-c", ask]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert found() == versions()["dfa_tune"]
    file = tmp_path / "dfa_tune" / "planning" / "trial.py"
    file.write_text(file.read_text() + "# changed\n")
    assert found() != versions()["dfa_tune"]


def test_a_machine_like_the_drivers_may_train(expected: Expected) -> None:
    assert complaints(expected) == []


def test_a_machine_whose_results_folder_is_another_may_not(expected: Expected, tmp_path: Path) -> None:
    (tmp_path / "results" / "space" / str(expected.probe)).unlink()
    (why,) = complaints(expected)
    assert why.startswith(f"{tmp_path}/results is not the folder that the driver writes to")


def test_a_machine_without_the_data_set_may_not_and_downloads_nothing(
    expected: Expected, tmp_path: Path
) -> None:
    (why,) = complaints(replace(expected, digests={"mnist": "0123456789abcdef"}))
    assert why == f"data set 'mnist' in {tmp_path}/data is not there"
    assert not (tmp_path / "data").exists()


def test_a_machine_with_another_content_of_the_data_set_may_not(expected: Expected) -> None:
    (why,) = complaints(replace(expected, digests={"digits": "0123456789abcdef"}))
    assert f"has other content ({expected.digests['digits']} instead of 0123456789abcdef)" in why


def test_a_job_takes_along_the_code_and_neither_data_nor_results(tmp_path: Path) -> None:
    stage(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dfa_tune"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 5e6
    assert not [path for path in files if path.suffix in (".parquet", ".pyc", ".safetensors")]
    sources = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
    assert sources <= {path.relative_to(tmp_path / "dfa_tune") for path in files}


def test_a_job_knows_its_search_spaces_and_which_checkout_it_came_from(tmp_path: Path) -> None:
    stage(tmp_path)
    ask = "import json; from dfa_tune.results.provenance import revision; print(json.dumps(revision()))"
    for command, wanted in (([sys.executable, "-m", "dfa_tune", "list"], "quickstart"),
                            ([sys.executable, "-c", ask], json.dumps(revision()))):  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert wanted in done.stdout


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["submit", "quickstart", "--results", "results"], "--results results: valid: an absolute path"),
        (["submit", "quickstart", "--results", "/r", "--data", "data"], "--data data: valid: an absolute"),
        (["submit", "quickstart", "--results", "/r", "--pack", "0"], "--pack 0; valid: auto"),
        (["jobs", "--address", "10.0.0.1:6379"], "valid here: the job server's URL"),
        (["jobs", "--stop"], "--stop: name the job"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_travels(arguments: list[str], answer: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, answer in done.output) == (2, True), done.output


@pytest.mark.skipif(find_spec("aiohttp") is not None, reason="the extra `cluster` is installed")
def test_without_the_extra_for_clusters_the_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    done = CliRunner().invoke(app, ["jobs"])
    assert (done.exit_code, "install dfa-tune with its extra `cluster`" in done.output) == (2, True)

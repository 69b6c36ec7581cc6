"""What a job takes along to the cluster, and which requests are refused before anything travels."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dfa_tune.bundled import PACKAGE
from dfa_tune.cli import app
from dfa_tune.orchestration.cluster.submission import copied, stage, stage_plugins
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.registry import register
from dfa_tune.results.provenance import revision


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


@pytest.mark.parametrize("name", ["quickstart", "fig_3_4-no_decay"])
def test_the_copy_of_a_bundled_space_keeps_its_figure(tmp_path: Path, name: str) -> None:
    sweep = load_sweep(name, overrides=["repetitions=2"])
    (tmp_path / "copy.yaml").write_text(copied(sweep))
    copy = load_sweep(tmp_path / "copy.yaml")
    assert (copy.name, copy.figure_name, copy.repetitions.max) == (name, sweep.figure_name, 2)


def test_a_job_has_the_plugins_of_its_trials_and_figures_and_the_same_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_plugins: None
) -> None:
    rule = (
        "from dfa_tune.learning.rules import Rule\nRULE = Rule(transport=lambda weight, feedback: weight)\n"
    )
    own, job = tmp_path / "own", tmp_path / "job"
    (own / "labor").mkdir(parents=True)
    job.mkdir()
    (own / "mine.py").write_text(rule)
    (own / "unused.py").write_text(rule)
    (own / "drawn.py").write_text("def figure(results): ...\n")
    (own / "labor" / "__init__.py").write_text("")
    (own / "labor" / "theirs.py").write_text(rule)
    monkeypatch.syspath_prepend(own)
    for named in ("mine.py", "unused.py", "drawn.py"):
        register(own / named)
    register("labor.theirs")
    methods = "methods=[{rule: [mine, theirs], optimizer: sgd, learning_rate: 0.1}]"
    sweep = load_sweep("quickstart", overrides=[methods])
    (job / "quickstart.yaml").write_text(copied(sweep))

    options = stage_plugins(sweep, job)

    assert sorted(option.rpartition("/")[2] for option in options) == [
        "--plugin=labor.theirs",
        "drawn.py",
        "mine.py",
    ]
    ask = (
        "import sys; from dfa_tune.registry import register; from dfa_tune.planning.plan import Plan;"
        "from dfa_tune.planning.sweep import load_sweep;"
        "[register(option.partition('=')[2]) for option in sys.argv[1:]];"
        "print([cell.repeats[0].id for cell in Plan(load_sweep('./quickstart.yaml')).cells])"
    )
    found = subprocess.run([sys.executable, "-c", ask, *options], cwd=job, capture_output=True, text=True)
    assert found.stdout.strip() == str([cell.repeats[0].id for cell in Plan(sweep).cells]), found.stderr


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["submit", "quickstart", "--results", "results"], "--results results: valid: an absolute path"),
        (["submit", "quickstart", "--results", "/r", "--data", "data"], "--data data: valid: an absolute"),
        (["submit", "quickstart", "--results", "/r", "--pack", "0"], "--pack 0; valid: auto"),
        (["jobs", "--address", "10.0.0.1:6379"], "valid: the URL of the job server"),
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

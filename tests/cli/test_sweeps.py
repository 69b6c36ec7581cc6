"""Subcommands that plan, run and watch a sweep; one tiny space is really run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from dfa_tune.cli.run import _say_if_nothing_is_done
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.sweep import parse_sweep
from dfa_tune.problems.digits import DIGEST
from dfa_tune.results.schema import SCHEMA
from dfa_tune.results.store import Store


def test_a_run_trains_every_trial_once_and_says_where_things_are(ran) -> None:
    results, process = ran.results, ran.process
    assert process.returncode == 0, process.stdout + process.stderr
    rows = pd.read_parquet(results / "tiny" / "epochs")
    assert rows["trial_id"].nunique() == ran.trials
    assert len(rows) == ran.trials * 2 == len(rows.drop_duplicates(["trial_id", "epoch"]))
    assert rows["test_accuracy"].between(0, 1).all()
    for part in ("bp-sgd", "dfa-sgd", "bp-adam", "95% interval", "tiny.png", "epochs"):
        assert part in process.stdout
    assert (results / "tiny" / "figures" / "tiny.svg").is_file()
    assert f"next     dfa-tune report {shlex.quote(str(ran.space))} --results" in process.stdout
    assert "Traceback" not in process.stderr


def test_repetitions_have_fresh_seeds_shared_by_the_methods(ran) -> None:
    results = ran.results
    rows = pd.read_parquet(results / "tiny" / "epochs")
    seeds = {stage: set(part["seed"]) for stage, part in rows.groupby("stage")}
    assert seeds["tune"] == {0}
    assert len(seeds["repeat"]) == 2
    assert seeds["tune"].isdisjoint(seeds["repeat"])
    per_method = rows[rows["stage"] == "repeat"].groupby("method")["seed"].unique().map(set)
    assert all(found == seeds["repeat"] for found in per_method)


def test_running_again_finds_nothing_to_do_and_starts_neither_ray_nor_torch(ran, invoke) -> None:
    space, results, *_ = ran
    before = {path: path.stat().st_mtime_ns for path in (results / "tiny" / "epochs").iterdir()}
    code = (
        "import sys; from typer.testing import CliRunner; from dfa_tune.cli import app;"
        f"r = CliRunner().invoke(app, ['run', {str(space)!r}, '--results', {str(results)!r}]);"
        "print(r.stdout); assert r.exit_code == 0, r.output;"
        "loaded = {'torch', 'ray'} & set(sys.modules); assert not loaded, loaded"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "Nothing left to do" in process.stdout
    assert "next  " not in process.stdout
    assert {path: path.stat().st_mtime_ns for path in (results / "tiny" / "epochs").iterdir()} == before


def test_a_packed_run_equals_the_same_trials_alone_bit_for_bit(ran, tmp_path: Path, dfa_tune) -> None:
    space, results, *_ = ran
    other = ("--results", str(tmp_path), "--pack", "1", "--cpus-per-pack", "2")
    process = dfa_tune("run", str(space), *other)
    assert process.returncode == 0, process.stderr
    keys, own = ["trial_id", "epoch"], ["seconds"]
    frames = [
        pd.read_parquet(folder / "tiny" / "epochs").sort_values(keys).drop(columns=own).reset_index(drop=True)
        for folder in (results, tmp_path)
    ]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_another_space_takes_over_what_is_trained_already(ran, tmp_path: Path, invoke, tiny) -> None:
    results = ran.results
    space = tmp_path / "other.yaml"
    space.write_text(tiny.replace("name: tiny", "name: other"))
    code, out, _ = invoke("run", str(space), "--results", str(results))
    assert code == 0
    assert f"Taken over from other spaces: {ran.trials} trials" in out


def test_plan_status_and_list(ran, invoke) -> None:
    space, results, *_ = ran
    code, out, _ = invoke("plan", str(space), "--results", str(results))
    assert (code, f"{ran.trials} planned, {ran.trials} done, 0 remaining" in out) == (0, True)
    code, out, _ = invoke("status", str(space), "--results", str(results))
    assert f"{ran.trials} trials: {ran.trials} done, 0 running, 0 failed, 0 remaining" in out
    code, out, _ = invoke("list")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} >= {"quickstart", "fig_3_1", "fig_2_2"}


def test_readers_show_the_space_as_given(ran, invoke) -> None:
    space, results, *_ = ran
    _, out, _ = invoke(
        "status", str(space), "--results", str(results), "--set", "training.epochs=3", "--method", "bp-adam"
    )
    assert "2 trials: 0 done" in out


def test_results_that_cannot_be_written_are_refused_before_anything_starts(tmp_path: Path, invoke) -> None:
    (tmp_path / "results").write_text("a file in the way")
    code, _, err = invoke("run", "quickstart", "--results", str(tmp_path / "results"))
    assert code == 2
    assert str(tmp_path / "results") in err


def test_a_missing_data_set_without_network_is_told_and_no_download_is_awaited(
    tmp_path: Path, dfa_tune
) -> None:
    from dfa_tune.problems.download import SERVERS, _reachable

    if _reachable(SERVERS["mnist"]):
        pytest.skip("the network is there: MNIST would really be downloaded")
    start = time.monotonic()
    process = dfa_tune("run", "fig_3_1", "--results", str(tmp_path / "r"), "--data", str(tmp_path / "data"))
    assert time.monotonic() - start < 60  # torchvision alone would try each mirror for minutes
    assert process.returncode == 2
    assert "train-images-idx3-ubyte" in process.stderr
    assert str(tmp_path / "data" / "MNIST" / "raw") in process.stderr


def test_a_run_that_finds_nothing_done_says_what_else_is_there(ran, tmp_path: Path, dfa_tune) -> None:
    shutil.copytree(ran.results, tmp_path / "results")
    options = ["--set", "training.epochs=1", "--method", "bp-adam"]
    ended = dfa_tune("run", str(ran.space), "--results", str(tmp_path / "results"), *options)
    assert ended.returncode == 0, ended.stderr
    assert f"note: {ran.trials} trials of other settings are in this folder too" in ended.stdout
    assert ended.stdout.index("note: ") < ended.stdout.index("mean accuracy")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_it_keeps_what_is_done_and_says_how_to_resume(
    stop: signal.Signals, tmp_path: Path, tiny
) -> None:
    space = tmp_path / "long.yaml"
    text = tiny.replace("name: tiny", "name: long").replace("epochs: 2", "epochs: 100000")
    space.write_text(text)
    command = [sys.executable, "-m", "dfa_tune", "run", str(space), "--results", str(tmp_path / "results")]
    # A session of its own: the signal goes to the command alone, as from another terminal
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    leases = tmp_path / "results" / "long" / "leases"
    deadline = time.monotonic() + 60
    while not list(leases.glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(2)
    os.kill(process.pid, stop)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"dfa-tune run {space}" in err
    assert "Traceback" not in err
    assert "SIGTERM received" not in err
    assert not list(leases.glob("*.json"))


def test_status_and_plan_count_the_trials_of_other_settings(ran, invoke) -> None:
    here = [str(ran.space), "--results", str(ran.results)]
    for command in ("status", "plan"):
        assert "other settings" not in invoke(command, *here)[1]
        out = invoke(command, *here, "--set", "training.weight_decay=0.5")[1]
        assert f"note: {ran.trials} trials of other settings are in this folder too" in out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "test_accuracy, mean of all 2 epochs"),
        (["training.epochs=20"], "test_accuracy, mean of the last 10 of 20 epochs"),
        (["training.epochs=20", "training.evaluate_every=3"], "mean of all 7 tested epochs"),
        (
            ["training.epochs=[5, 20]"],
            "mean of the last 10 of 5 or 20 epochs, or of all where there are fewer",
        ),
        (["tuning.window=1", "tuning.metric=test_loss"], "test_loss, mean of the last 1 of 2 epochs"),
    ],
)
def test_plan_says_what_learning_rates_are_chosen_by(
    options: list[str], says: str, ran, tmp_path: Path, invoke
) -> None:
    settings = [part for option in options for part in ("--set", option)]
    _, out, _ = invoke("plan", str(ran.space), "--results", str(tmp_path), *settings)
    (line,) = [line for line in out.splitlines() if line.startswith("  tuning")]
    assert line.endswith(says)


def test_plan_says_how_long_a_billion_samples_take_and_that_they_do_not_fit(tmp_path: Path, invoke) -> None:
    _, out, _ = invoke(
        "plan", "quickstart", "--results", str(tmp_path), "--set", "problem.train_samples=1000000000"
    )
    # indices of three images for each tuple, 8 bytes each, and as many while they are drawn: 44.7 GiB a seed
    memory, hours = (next(line for line in out.splitlines() if key in line) for key in ("memory", "time"))
    assert float(memory.split()[2]) > 44.7
    assert "too much for" in memory
    assert "days" in hours or "year" in hours


def test_fa_beside_dfa_is_the_same_with_one_hidden_layer(tmp_path: Path, invoke) -> None:
    rules = ["--set", "methods=[{rule: [dfa, fa], optimizer: sgd, feedback: [uniform, gaussian]}]"]
    command = ["plan", "quickstart", "--results", str(tmp_path), *rules]
    out = invoke(*command)[1]
    assert "note: with one hidden layer fa-sgd is the same as dfa-sgd; both are trained" in out
    assert "fa-sgd-gaussian is the same as dfa-sgd-gaussian" in out
    assert "is the same" not in invoke(*command, "--set", "network.hidden=[8, 8]")[1]
    assert "is the same" not in invoke(*command, "--method", "fa-sgd")[1]


def test_another_space_of_the_same_name_is_warned_of_once(ran, tmp_path: Path, tiny: str, invoke) -> None:
    results = tmp_path / "results"
    shutil.copytree(ran.results, results)
    assert "warning" not in invoke("run", str(ran.space), "--results", str(results))[2]
    other = tmp_path / "tiny.yaml"
    other.write_text(tiny.replace("A tiny space", "Another space"))
    code, _, err = invoke("run", str(other), "--results", str(results))
    assert code == 0
    assert "has results of a space that is called tiny too: 'A tiny space'" in " ".join(err.split())
    assert "warning" not in invoke("run", str(other), "--results", str(results))[2]


def test_init_writes_a_space_that_is_planned_and_replaces_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("init", "depth")[0] == 0
    text = (tmp_path / "depth.yaml").read_text()
    assert "NAME" not in text
    schema = re.search(r"^# yaml-language-server: \$schema=(.*)$", text, re.MULTILINE)
    assert schema is not None
    assert Path(schema[1]).is_file()
    code, out, _ = invoke("plan", "depth.yaml")
    assert code == 0
    assert "32 planned" in out  # four methods with five rates and three repetitions each
    code, _, err = invoke("init", "depth")
    assert (code, "depth.yaml: there already" in err) == (2, True)
    assert (tmp_path / "depth.yaml").read_text() == text


@pytest.mark.parametrize("name", ["../x", "a/b", "", "x: y", "nul"])
def test_init_refuses_what_is_no_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("init", name)[0] == 2
    assert not list(tmp_path.parent.glob("*.yaml"))
    assert not list(tmp_path.iterdir())


def test_a_long_run_says_how_long_it_will_take_and_a_short_one_does_not(
    tmp_path: Path, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for epochs in (2, 2_000_000 // 4):
        sweep = parse_sweep(tiny, "tiny.yaml", overrides=[f"training.epochs={epochs}"])
        state = SweepState(Plan(sweep, DIGEST), Store(tmp_path, "tiny"), SCHEMA.empty_table().to_pandas())
        _say_if_nothing_is_done(state, "my space.yaml", slots=2)
    # 10 trials of 500,000 epochs of 4 steps, each at least half a millisecond, on two cores
    (said,) = capsys.readouterr().out.splitlines()
    hours = re.match(r"about (\d+) h|about 1 day", said)
    assert hours, said
    assert said.endswith("more: dfa-tune plan 'my space.yaml'")

"""Subcommands that plan, run and watch a sweep; one tiny space is really run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest


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

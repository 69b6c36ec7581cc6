"""Every command as a user would type it; one tiny space is really run through Ray, twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from dfa_tune.cli import app

SPACE = """
name: tiny
title: A tiny space
problem: {kind: parity, dataset: digits, k: 1, train_samples: 256, test_samples: 100}
network: {hidden: 8}
training: {epochs: 2, batch_size: 64}
methods: [{rule: [bp, dfa], optimizer: sgd}, {rule: bp, optimizer: adam, learning_rate: 0.01}]
learning_rates: {sgd: [0.1, 0.2]}
repetitions: 2
"""
TRIALS = 2 * (2 + 2) + 2


def dfa_tune(*arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "dfa_tune", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def invoke(*arguments: str) -> tuple[int, str, str]:
    """The command in this process: exit code, standard output, standard error."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, subprocess.CompletedProcess[str]]:
    """The tiny space, its results after one run (in a folder with a space), and what the run printed."""
    folder = tmp_path_factory.mktemp("a run")
    space = folder / "tiny.yaml"
    space.write_text(SPACE)
    return space, folder / "results", dfa_tune("run", str(space), "--results", str(folder / "results"))


def test_a_run_trains_every_trial_once_and_says_where_things_are(ran: tuple) -> None:
    _, results, process = ran
    assert process.returncode == 0, process.stdout + process.stderr
    rows = pd.read_parquet(results / "tiny" / "epochs")
    assert rows["trial_id"].nunique() == TRIALS
    assert len(rows) == TRIALS * 2 == len(rows.drop_duplicates(["trial_id", "epoch"]))
    assert rows["test_accuracy"].between(0, 1).all()
    for part in ("bp-sgd", "dfa-sgd", "bp-adam", "95% interval", "tiny.png", "epochs"):
        assert part in process.stdout
    assert (results / "tiny" / "figures" / "tiny.svg").is_file()
    assert "Traceback" not in process.stderr


def test_repetitions_have_fresh_seeds_shared_by_the_methods(ran: tuple) -> None:
    _, results, _ = ran
    rows = pd.read_parquet(results / "tiny" / "epochs")
    seeds = {stage: set(part["seed"]) for stage, part in rows.groupby("stage")}
    assert seeds["tune"] == {0}
    assert len(seeds["repeat"]) == 2
    assert seeds["tune"].isdisjoint(seeds["repeat"])
    per_method = rows[rows["stage"] == "repeat"].groupby("method")["seed"].unique().map(set)
    assert all(found == seeds["repeat"] for found in per_method)


def test_running_again_finds_nothing_to_do_and_starts_neither_ray_nor_torch(ran: tuple) -> None:
    space, results, _ = ran
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


def test_a_packed_run_equals_the_same_trials_alone_bit_for_bit(ran: tuple, tmp_path: Path) -> None:
    space, results, _ = ran
    other = ("--results", str(tmp_path), "--pack", "1", "--cpus-per-pack", "2")
    process = dfa_tune("run", str(space), *other)
    assert process.returncode == 0, process.stderr
    keys, own = ["trial_id", "epoch"], ["seconds"]
    frames = [
        pd.read_parquet(folder / "tiny" / "epochs").sort_values(keys).drop(columns=own).reset_index(drop=True)
        for folder in (results, tmp_path)
    ]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_another_space_takes_over_what_is_trained_already(ran: tuple, tmp_path: Path) -> None:
    _, results, _ = ran
    space = tmp_path / "other.yaml"
    space.write_text(SPACE.replace("name: tiny", "name: other"))
    code, out, _ = invoke("run", str(space), "--results", str(results))
    assert code == 0
    assert f"Taken over from other spaces: {TRIALS} trials" in out


def test_plan_status_and_list(ran: tuple) -> None:
    space, results, _ = ran
    code, out, _ = invoke("plan", str(space), "--results", str(results))
    assert (code, f"{TRIALS} planned, {TRIALS} done, 0 remaining" in out) == (0, True)
    code, out, _ = invoke("status", str(space), "--results", str(results))
    assert f"{TRIALS} trials: {TRIALS} done, 0 running, 0 failed, 0 remaining" in out
    code, out, _ = invoke("list")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} >= {"quickstart", "fig_3_1", "fig_2_2"}


def test_readers_show_the_space_as_given(ran: tuple) -> None:
    space, results, _ = ran
    _, out, _ = invoke(
        "status", str(space), "--results", str(results), "--set", "training.epochs=3", "--method", "bp-adam"
    )
    assert "2 trials: 0 done" in out


def test_best_and_summary_print_json_and_nothing_else(ran: tuple) -> None:
    space, results, _ = ran
    _, out, _ = invoke("best", str(space), "--results", str(results), "--json")
    assert [set(row) for row in json.loads(out)] == [{"method", "learning_rate", "criterion", "at_edge"}] * 3
    _, out, _ = invoke("summary", str(space), "--results", str(results), "--json")
    table = json.loads(out)
    keys = {"method", "learning_rate", "n", "diverged", "mean", "low", "high", "sd"}
    assert [set(row) for row in table] == [keys] * 3
    assert [row["n"] for row in table] == [2] * 3
    for command in ("best", "summary"):
        code, out, _ = invoke(command, str(space), "--results", str(results))
        assert (code, "bp-adam" in out) == (0, True)


def test_plot_writes_png_and_svg(ran: tuple) -> None:
    space, results, _ = ran
    code, out, _ = invoke("plot", str(space), "--results", str(results))
    assert code == 0
    png, svg = map(Path, out.split("\n")[:2])
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in svg.read_text()


def test_compact_keeps_every_row(ran: tuple) -> None:
    space, results, _ = ran
    before = pd.read_parquet(results / "tiny" / "epochs")
    code, _, _ = invoke("compact", str(space), "--results", str(results))
    assert code == 0
    assert len(list((results / "tiny" / "epochs").glob("*.parquet"))) < before["trial_id"].nunique()
    assert len(pd.read_parquet(results / "tiny" / "epochs")) == len(before)


def test_doctor_reports_on_this_machine(tmp_path: Path) -> None:
    code, out, _ = invoke("doctor", "--results", str(tmp_path), "--data", str(tmp_path))
    assert code == 0
    for part in ("ray", "torch", "digits", "mnist: not here", "is writable"):
        assert part in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["plan", "quickstar"], "quickstart"),
        (["plan", "quickstart", "--set", "problem.k=0"], "problem.k = 0"),
        (["plan", "quickstart", "--set", "problem.q=0"], "unknown key"),
        (["plan", "quickstart", "--set", "problem"], "="),
        (["plan", "quickstart", "--set", "problem.dataset=minst"], "'mnist'"),
        (["plan", "quickstart", "--set", "methods=[]"], "methods"),
        (["plan", "quickstart", "--set", "methods.0.rule=bpp"], "unknown rule 'bpp'"),
        (["plan", "quickstart", "--set", "methods.0.optimizer=sdg"], "unknown optimizer 'sdg'"),
        (["plan", "quickstart", "--set", "learning_rates.sgd=0"], "learning_rates.sgd = 0"),
        (["plan", "quickstart", "--set", "learning_rates.sgd={low: 2, high: 1, points: 3}"], "low"),
        (["plan", "quickstart", "--set", "learning_rates={}"], "no learning rate"),
        (["plan", "quickstart", "--set", "tuning.window=1000"], "tuning.window = 1000"),
        (["plan", "quickstart", "--set", "name=../x"], "name"),
        (["plan", "quickstart", "--method", "bp-adamw"], "bp-sgd"),
        (["run", "quickstart", "--pack", "none"], "--pack none"),
        (["plan", "/nowhere/space.yaml"], "/nowhere/space.yaml"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(arguments: list[str], says: str, tmp_path: Path) -> None:
    code, out, err = invoke(*arguments, "--results", str(tmp_path))
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert out == ""
    assert not list(tmp_path.iterdir())


def test_results_that_cannot_be_written_are_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file in the way")
    code, _, err = invoke("run", "quickstart", "--results", str(tmp_path / "results"))
    assert code == 2
    assert str(tmp_path / "results") in err


def test_a_missing_data_set_without_network_is_told_within_ten_seconds(tmp_path: Path) -> None:
    from dfa_tune.problems.download import SERVERS, _reachable

    if _reachable(SERVERS["mnist"]):
        pytest.skip("the network is there: MNIST would really be downloaded")
    start = time.monotonic()
    process = dfa_tune("run", "fig_3_1", "--results", str(tmp_path / "r"), "--data", str(tmp_path / "data"))
    assert time.monotonic() - start < 10
    assert process.returncode == 2
    assert "train-images-idx3-ubyte" in process.stderr
    assert str(tmp_path / "data" / "MNIST" / "raw") in process.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_it_keeps_what_is_done_and_says_how_to_resume(
    stop: signal.Signals, tmp_path: Path
) -> None:
    space = tmp_path / "long.yaml"
    text = SPACE.replace("name: tiny", "name: long").replace("epochs: 2", "epochs: 100000")
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

"""A sweep that is really killed, starved and robbed of its disk; see also soak.py beside this file.

The ordinary tests here share few starts of Ray. The others:

    uv run pytest -m slow tests/faults
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest
from sweeps import (
    TRIALS,
    checkpoints,
    cleared,
    descendants,
    done,
    paced,
    rows,
    running,
    train_alone,
    wait_for,
    write_space,
)
from typer.testing import CliRunner

from dfa_tune.cli import app
from dfa_tune.errors import UserError
from dfa_tune.results import Store

EPOCHS = 12
MOUNT = [shutil.which("mount") or "mount"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The rows of the undisturbed sweep: each trial alone, the last one first, without Ray."""
    folder = tmp_path_factory.mktemp("alone")
    return train_alone(write_space(folder, EPOCHS), folder / "results")


def published(results: Path) -> dict[str, int]:
    """The files of results, and when each was written."""
    paths = (results / "faulty" / "epochs").glob("[!.]*.parquet")
    return {path.name: path.stat().st_mtime_ns for path in paths}


def assert_whole(space: Path, results: Path, expected: pd.DataFrame) -> None:
    """Every row once, bit for bit, and nothing left over."""
    raw = pd.read_parquet(results / "faulty" / "epochs")
    assert not raw.duplicated(["trial_id", "epoch"]).any()
    pd.testing.assert_frame_equal(rows(space, results), expected, check_exact=True)
    assert checkpoints(results) == []
    assert not (results / "faulty" / "damaged").exists()


@pytest.mark.timeout(600)
def test_a_sweep_survives_the_death_of_a_worker_and_of_its_driver(
    tmp_path: Path, expected: pd.DataFrame
) -> None:
    space = write_space(tmp_path / "a folder", EPOCHS)
    link = tmp_path / "linked"
    link.symlink_to(tmp_path / "a folder", target_is_directory=True)
    results = link / "results"
    with cleared(paced(space, results, pack=3)) as run:
        wait_for(lambda: checkpoints(results), 240)
        run.kill(run.workers()[0])  # the sweep goes on with another
        wait_for(lambda: published(results), 240)
        wait_for(lambda: checkpoints(results), 240)
        run.kill(run.process.pid)
        wait_for(lambda: not run.workers_left(), 30)
    before, begun = published(results), checkpoints(results)
    assert begun
    begin = time.monotonic()
    with running(space, results, "--pack", "1") as run:
        code, out, err = run.end(400)
    assert code == 0, err
    assert "Traceback" not in out + err
    assert before.items() <= published(results).items()  # not trained again
    # The packs that had begun were formed again as they were, though the rest was trained one by one
    assert {path.stem for path in begun} <= {Path(name).stem for name in published(results)}
    assert_whole(space, results, expected)
    assert time.monotonic() - begin < 400


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_whose_trials_are_stopped_early_survives_the_death_of_everything(tmp_path: Path) -> None:
    stop = ", stop: {after: [2, 5], keep: 0.5}"
    alone = write_space(tmp_path / "alone", EPOCHS, stop)
    expected = train_alone(alone, tmp_path / "alone" / "results")
    # Of 3 rates 2 go on after epoch 2, and 1 of them after epoch 5; two methods are tuned
    assert expected.loc[expected["stopped"], "trial_id"].nunique() == 2 * 2
    space, results = write_space(tmp_path, EPOCHS, stop), tmp_path / "results"
    with cleared(paced(space, results, pack=2)) as run:
        wait_for(lambda: list((results / "faulty" / "rungs").glob("[!.]*.parquet")), 240)
        run.kill(*run.tree())
        run.end(120)
    with running(space, results) as run:
        code, _, err = run.end(400)
    assert code == 0, err
    assert_whole(space, results, expected)
    assert list((results / "faulty" / "rungs").iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("victims", ["everything", "all of Ray"])
def test_a_sweep_survives_the_death_of_everything(
    tmp_path: Path, expected: pd.DataFrame, victims: str
) -> None:
    space, results = write_space(tmp_path, EPOCHS), tmp_path / "results"
    with cleared(paced(space, results, pack=2)) as run:
        wait_for(lambda: checkpoints(results), 240)
        run.kill(*(set(run.tree()) - ({run.process.pid} if victims == "all of Ray" else set())))
        code, _, _ = run.end(120)
        assert code != 0
    with running(space, results) as run:
        code, _, err = run.end(400)
    assert code == 0, err
    assert_whole(space, results, expected)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_worker_that_is_suspended_is_replaced(tmp_path: Path, expected: pd.DataFrame) -> None:
    space, results = write_space(tmp_path, EPOCHS), tmp_path / "results"
    with cleared(paced(space, results, pack=3)) as run:
        wait_for(lambda: checkpoints(results), 240)
        suspended = run.workers()[0]
        os.kill(suspended, signal.SIGSTOP)
        wait_for(lambda: suspended not in run.tree(), 240)
        code, out, err = run.end(400)
    assert code == 0, out + err
    assert_whole(space, results, expected)


STARVING = """
import os
import signal

import torch

from dfa_tune.orchestration.worker.pack_run import start_training

MOST = 1


def start(pack, data, threads):
    # As a GPU does that has room for one trial at a time; one trial is killed as the kernel kills
    if len(pack.trials) == 1 and pack.trials[0].method.name == "dfa-rmsprop" and pack.trials[0].seed == 0:
        if pack.trials[0].learning_rate == 0.0003:
            os.kill(os.getpid(), signal.SIGKILL)
    if any(t.method.optimizer == "nesterov" for t in pack.trials):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")
    if len(pack.trials) > MOST:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
    return start_training(pack, data, threads)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_packs_that_do_not_fit_are_split_and_a_trial_that_cannot_be_trained_fails_by_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "starving.py").write_text(STARVING)
    space = write_space(tmp_path, epochs=3)
    code = (
        "import json, sys; from dfa_tune.orchestration.driver.runner import Resources, _run_sweep\n"
        f"o = _run_sweep({str(space)!r}, {str(tmp_path / 'results')!r}, trainer='starving:start',"
        " resources=Resources(pack=3))\n"
        "print(json.dumps({'failed': o.failed, 'done': o.count.done}))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    outcome = json.loads(process.stdout.strip().splitlines()[-1])
    # bp is whole; dfa has the two rates that could be trained; of nesterov nothing fits
    assert outcome["done"] == 3 + 2 + 2
    causes = sorted(outcome["failed"].values())
    assert len(causes) == 3
    assert sum("CUDA out of memory" in cause for cause in causes) == 2
    status = CliRunner().invoke(app, ["status", str(space), "--results", str(tmp_path / "results")])
    assert "3 failed" in status.stdout
    for trial in outcome["failed"]:
        assert f"failed: {trial}" in status.stdout


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        [*MOUNT, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run([shutil.which("umount") or "umount", "-l", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_fails_in_mid_run_is_named_and_the_run_resumes(
    small_disk: Path, tmp_path: Path, expected: pd.DataFrame, fault: str
) -> None:
    space, results = write_space(tmp_path, EPOCHS), small_disk / "results"
    with cleared(paced(space, results, pack=1)) as run:
        wait_for(lambda: published(results), 240)
        if fault == "full":
            with _kept_full(small_disk):
                code, _, err = run.end(240)
        else:
            subprocess.run([*MOUNT, "-o", "remount,ro", str(small_disk)], check=True)
            code, _, err = run.end(240)
    assert code != 0
    assert ("No space left" if fault == "full" else "Read-only file system") in err
    assert str(results) in err
    assert not rows(space, results).empty
    if fault == "full":
        (small_disk / "filler").unlink()
        subprocess.run([*MOUNT, "-o", "remount,size=64m", str(small_disk)], check=True)
    else:
        subprocess.run([*MOUNT, "-o", "remount,rw,size=64m", str(small_disk)], check=True)
    with running(space, results) as run:
        code, _, err = run.end(400)
    assert code == 0, err
    assert_whole(space, results, expected)


def _fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


@contextmanager
def _kept_full(disk: Path) -> Iterator[None]:
    """As long as this is open: a run that removes a checkpoint makes room, and may end well with it."""
    over = threading.Event()

    def keep() -> None:
        with (disk / "filler").open("ab", buffering=0) as file:
            while not over.wait(0.005):
                with suppress(OSError):
                    while file.write(bytes(4096)):
                        pass

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_full_disk_is_told_and_leaves_no_torn_file(small_disk: Path) -> None:
    store = Store(small_disk / "results", "faulty")
    store.check_writable()
    row = {"trial_id": "a", "stage": "tune", "method": "m", "learning_rate": 0.1, "seed": 0}
    row |= {"epochs": 1, "epoch": 1, "diverged": False}
    store.publish("one", [row], {})
    _fill(small_disk)
    with pytest.raises(UserError, match=r"two\.parquet cannot be written: No space left"):
        store.publish("two", [row | {"trial_id": "b"}], {"padding": "x" * 20_000})
    assert store.done() == {"a"}
    assert [path.name for path in Path(store.path("epochs")).iterdir()] == ["one.parquet"]
    (small_disk / "filler").unlink()
    subprocess.run([*MOUNT, "-o", "remount,ro", str(small_disk)], check=True)
    for change in (
        lambda: store.publish("two", [row], {}),
        lambda: store.epochs.remove("one.parquet"),
    ):
        with pytest.raises(UserError, match="Read-only file system"):
            change()
    assert store.done() == {"a"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_trial_whose_weights_are_damaged_is_trained_again(tmp_path: Path) -> None:
    space, results = write_space(tmp_path, epochs=3), tmp_path / "results"
    space.write_text(space.read_text() + "save_weights: true\n")
    with running(space, results) as run:
        assert run.end(400)[0] == 0
    store = Store(results, "faulty")
    path = sorted(Path(store.path("weights")).iterdir())[1]
    before, rows_before = path.read_bytes(), rows(space, results)
    path.write_bytes(before[:-5] + bytes([before[-5] ^ 16]) + before[-4:])
    assert store.damaged_weights() == {path.stem}
    with running(space, results) as run:
        code, out, err = run.end(400)
    assert code == 0, err
    assert "Nothing left to do" not in out
    assert path.read_bytes() == before
    pd.testing.assert_frame_equal(rows(space, results), rows_before, check_exact=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_runs_at_once_share_the_work(tmp_path: Path, expected: pd.DataFrame) -> None:
    space, results = write_space(tmp_path, EPOCHS), tmp_path / "results"
    with running(space, results, "--pack", "1") as first, running(space, results, "--pack", "2") as second:
        ends = [run.end(600) for run in (first, second)]
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert_whole(space, results, expected)
    assert done(space, results) == TRIALS


NODES = """
import os, signal, sys, time
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = "a" * 64
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
second = cluster.add_node(num_cpus=1)
print(cluster.address, second.all_processes["raylet"][0].process.pid, flush=True)
sys.stdin.readline()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_ends_complete_on_one_node_when_the_other_is_killed(
    tmp_path: Path, expected: pd.DataFrame
) -> None:
    space, results = write_space(tmp_path, EPOCHS), tmp_path / "results"
    cluster = subprocess.Popen(
        [sys.executable, "-c", NODES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert cluster.stdout is not None
        address, raylet = cluster.stdout.readline().split()
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}
        with running(space, results, "--address", address, "--pack", "1", **token) as run:
            wait_for(lambda: done(space, results) >= 1, 400)
            _kill_tree(int(raylet))
            code, _, err = run.end(600)
        assert code == 0, err
        assert_whole(space, results, expected)
    finally:
        cluster.communicate("\\n", timeout=60)


def _kill_tree(pid: int) -> None:
    """The node's raylet and its workers, as when its machine loses power."""
    for victim in (pid, *descendants(pid)):
        os.kill(victim, 9)

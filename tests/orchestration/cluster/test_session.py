"""How Ray is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dfa_tune.errors import UserError
from dfa_tune.orchestration.cluster.session import Session, available_cpus


def test_a_ray_of_our_own_asks_for_a_token_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "before")
    Session(None, use_gpus=False)
    first = os.environ["RAY_AUTH_TOKEN"]
    Session(None, use_gpus=False)
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len({first, os.environ["RAY_AUTH_TOKEN"], "before"}) == 3


def test_a_clusters_token_is_left_as_the_user_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")
    Session("127.0.0.1:1", use_gpus=False)
    assert os.environ["RAY_AUTH_TOKEN"] == "theirs"


def test_a_cluster_is_not_asked_without_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=f"--address 10.0.0.1:6379: .*{tmp_path}/.ray/auth_token"):
        Session("10.0.0.1:6379", use_gpus=False)
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("theirs")
    Session("10.0.0.1:6379", use_gpus=False)
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_a_cluster_without_tokens_is_joined_where_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    Session("10.0.0.1:6379", use_gpus=False)
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


def test_uv_run_does_not_make_ray_rebuild_the_environment() -> None:
    Session(None, use_gpus=False)
    assert os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] == "0"


def test_cores_are_those_this_process_may_use() -> None:
    assert available_cpus() == len(os.sched_getaffinity(0))


STARTED = """
import ray, json, os, subprocess
from dfa_tune.orchestration.cluster.session import Session
with Session(None, use_gpus=False) as session:
    session.start()
    tree = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True).stdout.split()[2:]
    parent = dict(zip(tree[::2], tree[1::2]))
    def ours(pid):
        return pid == str(os.getpid()) or (pid in parent and ours(parent[pid]))
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout.splitlines()
    print(json.dumps({
        "addresses": [line.split()[3] for line in listening
                      if "pid=" in line and ours(line.split("pid=")[1].split(",")[0])],
        "answer": ray.get(ray.remote(lambda: 6 * 7).remote()),
        "processes": sorted(ray._private.worker._global_node.all_processes),
    }))
"""


@pytest.fixture(scope="module")
def started() -> Any:
    """What there is when a Ray of our own runs. Ray was imported first, as in a notebook: it has read its
    environment by then."""
    if shutil.which("ss") is None:
        pytest.skip("ss (iproute2) is not installed")
    process = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=True)
    return json.loads(process.stdout)


def test_a_ray_of_our_own_listens_on_loopback_alone(started: Any) -> None:
    addresses = started["addresses"]
    assert len(addresses) >= 3  # the driver, the GCS and the raylet
    assert [a for a in addresses if not a.startswith(("127.", "[::ffff:127.", "[::1]"))] == []


def test_a_ray_of_our_own_runs_neither_autoscaler_nor_log_monitor_nor_dashboard(started: Any) -> None:
    assert started["answer"] == 42
    assert started["processes"] == ["gcs_server", "raylet"]

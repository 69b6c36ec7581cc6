"""How Ray is started."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dfa_tune.bundled import PACKAGE
from dfa_tune.errors import UserError
from dfa_tune.orchestration.cluster.session import Session, ask, available_cpus


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


@pytest.fixture
def web_server() -> Iterator[int]:
    """The port of a server that is not Ray's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.mark.parametrize("address", ["nonsense", "10.0.0.1", "10.0.0.1:99999", "ray://10.0.0.1:10001"])
def test_what_is_no_address_of_a_head_is_refused(address: str) -> None:
    with pytest.raises(UserError, match=f"--address {address}; valid: HOST:PORT"):
        ask(address)


def test_an_address_where_nothing_answers_is_refused_at_once_without_rays_logs(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfa_tune.orchestration.ray_internals.head_address", lambda address: address)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        begin = time.monotonic()
        with pytest.raises(UserError, match=r"no Ray cluster answers there \(Connection refused\)"):
            ask(f"127.0.0.1:{free.getsockname()[1]}")
    assert time.monotonic() - begin < 5
    assert capfd.readouterr() == ("", "")


def test_an_address_where_another_server_answers_is_refused_at_once(
    web_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfa_tune.orchestration.ray_internals.head_address", lambda address: address)
    begin = time.monotonic()
    with pytest.raises(UserError, match="no Ray cluster answers there, but another server"):
        ask(f"127.0.0.1:{web_server}")
    assert time.monotonic() - begin < 5


STARTED = """
import ray, json, os, subprocess, sys
from pathlib import Path
from dfa_tune.errors import UserError
from dfa_tune.orchestration.cluster.session import Session, ask
WORKER = str(Path(ray.__file__).parent / "_private/workers/default_worker.py")

@ray.remote
def worker():
    import dfa_tune, pydantic
    return {"answer": 6 * 7, "path": sys.path, "files": [dfa_tune.__file__, pydantic.__file__]}

with Session(None, use_gpus=False) as session:
    session.start()
    lines = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True).stdout.splitlines()
    tree = [line.split(maxsplit=2) for line in lines[1:]]
    parent = {pid: of for pid, of, *_ in tree}
    def ours(pid):
        return pid == str(os.getpid()) or (pid in parent and ours(parent[pid]))
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout.splitlines()
    folder = Path(ray._private.worker._global_node.get_session_dir_path()).parent
    try:
        # The raylet speaks gRPC, but it is not the control store
        ask(f"127.0.0.1:{ray._private.worker._global_node.node_manager_port}")
    except UserError as error:
        told = str(error)
    found = {
        "told": told,
        "ahead": [args for pid, _, args in tree
                  if ours(pid) and (WORKER in args.split()[:2] or args == "ray::IDLE")],
        "addresses": [line.split()[3] for line in listening
                      if "pid=" in line and ours(line.split("pid=")[1].split(",")[0])],
        "worker": ray.get(worker.remote()),
        "processes": sorted(ray._private.worker._global_node.all_processes),
        "folder": str(folder),
        "mode": folder.parent.stat().st_mode & 0o777,
    }
print(json.dumps(found | {"left": folder.parent.exists()}))
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What there is when a Ray of our own runs.

    As in a notebook, Ray was imported before the session, so it has read its environment by then. The
    working folder holds modules that must not be imported, TMPDIR has a path that is too long for Ray, and,
    if root runs the tests, /dev/shm is read-only.
    """
    if shutil.which("ss") is None:
        pytest.skip("ss (iproute2) is not installed")
    folder = tmp_path_factory.mktemp("here")
    (folder / "pydantic.py").write_text("raise ImportError('the one in the working folder')")
    (folder / "dfa_tune").mkdir()
    (folder / "dfa_tune" / "__init__.py").write_text("raise ImportError('the one in the working folder')")
    long = folder / ("x" * 50)
    long.mkdir()
    command = [sys.executable, "-P", "-c", STARTED]  # -P: Python itself would import from the working folder
    if os.geteuid() == 0:
        mount = 'mount -t tmpfs -o ro none /dev/shm && exec "$@"'
        command = ["unshare", "--mount", "bash", "-c", mount, "bash", *command]
    process = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"TMPDIR": str(long)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_a_ray_of_our_own_listens_on_loopback_alone(started: Any) -> None:
    addresses = started["addresses"]
    assert len(addresses) >= 3  # the driver, the GCS and the raylet
    assert [a for a in addresses if not a.startswith(("127.", "[::ffff:127.", "[::1]"))] == []


def test_a_ray_of_our_own_runs_neither_autoscaler_nor_log_monitor_nor_dashboard(started: Any) -> None:
    assert started["worker"]["answer"] == 42
    assert started["processes"] == ["gcs_server", "raylet"]


def test_a_ray_of_our_own_starts_no_worker_that_tune_would_not_use(started: Any) -> None:
    assert started["ahead"] == []


def test_workers_import_nothing_from_the_drivers_working_folder(started: Any) -> None:
    ours, pydantic = started["worker"]["files"]
    assert ours == str(PACKAGE / "__init__.py")
    assert Path(pydantic).parent.parent == Path(pytest.__file__).parent.parent  # site-packages
    assert [folder for folder in started["worker"]["path"] if "/here" in folder] == []


def test_the_address_of_another_process_of_ray_is_refused(started: Any) -> None:
    assert "no Ray cluster answers there" in started["told"]


def test_a_ray_of_our_own_has_a_private_folder_that_is_removed_at_the_end(started: Any) -> None:
    assert Path(started["folder"]).parent.name.startswith("dfa-")
    assert (started["mode"], started["left"]) == (0o700, False)


def test_a_ray_that_cannot_start_is_one_message_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    command = (
        "from dfa_tune.orchestration.cluster.session import Session\n"
        "from dfa_tune.errors import UserError\n"
        "with Session(None, use_gpus=False) as session:\n"
        "    try: session.start()\n"
        "    except UserError as error: print(error)"
    )
    # Ray waits no time for its control store
    environment = os.environ | {"RAY_gcs_server_port_wait_time_s": "0"}
    done = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True)
    assert done.stdout.startswith("Ray cannot start: "), done.stderr
    assert "Traceback" not in done.stdout

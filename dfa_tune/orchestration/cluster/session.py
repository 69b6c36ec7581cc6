"""Starting Ray so that it is quiet, private and ours, or joining a cluster.

Everything here that is an environment variable must be set before Ray is imported.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from dfa_tune.errors import UserError

_QUIET = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` Ray would rebuild the environment a worker
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # results go to Parquet; CSV, JSON and TensorBoard are slow
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune swallows the first Ctrl-C
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # its snapshots are not needed: the Parquet files are the state
    "TUNE_WARN_THRESHOLD_S": "10",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
TOKEN_FILE = "~/.ray/auth_token"  # noqa: S105  # Ray's own place for it
ANSWER_SECONDS = 10.0  # for a head to answer
OBJECT_STORE_BYTES = 256 * 1024**2  # our workers exchange little through it
# Methods of Ray's Node that start the autoscaler, the collector of logs and the dashboard's server, which Ray
# starts even where it is told to have no dashboard. Nobody here asks them anything, and three more Python
# processes cost seconds of two cores while the workers are to start.
HELPERS = ("start_monitor", "start_log_monitor", "start_api_server")


def available_cpus() -> int:
    """The cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def quiet() -> None:
    """Set what keeps Ray from talking, and from doing what we do ourselves; before Ray is imported."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def use_token(what: str) -> None:
    """Have Ray's clients in this process show a cluster's token; UserError naming `what` if there is none.

    RAY_AUTH_MODE says otherwise where the user has set it. Ray looks for the token in the same places.
    """
    if os.environ.setdefault("RAY_AUTH_MODE", "token") != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN_FILE).expanduser()
    if not file.is_file():
        raise UserError(
            f"{what}: the cluster's token is not in {file}; copy it there from the machine that started the"
            " cluster, or set RAY_AUTH_TOKEN (a cluster without tokens: RAY_AUTH_MODE=disabled)"
        )


class Session:
    """A Ray to run in; a context that shuts Ray down, or leaves the cluster, at its end.

    Without an address a Ray of our own is started, whatever else runs on this machine: on loopback, with
    a fresh token, without a dashboard. A cluster is joined with its token, from where Ray looks for it.
    """

    def __init__(self, address: str | None, *, use_gpus: bool) -> None:
        self._address, self._theirs = address, False
        quiet()
        self._local: dict[str, Any] = {}
        if address is None:
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
            # Without it Ray replaces a loopback address by the host's own, and listens on every interface
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
            # Where someone kills all of it, this process ends, instead of waiting a minute for its return
            os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "15")
            self._local = {
                "num_cpus": available_cpus(),
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
                "_node_ip_address": "127.0.0.1",
            }
            if not use_gpus:
                self._local["num_gpus"] = 0
        else:
            use_token(f"--address {address}")

    def start(self) -> dict[str, dict[str, float]]:
        """Start or join; returns each machine's resources, by its id. UserError where no cluster answers.

        Where the caller has a Ray running in this process already, that one is used, and left running.
        """
        late = "ray" in sys.modules  # then it has read its environment already
        import ray

        if ray.is_initialized():
            self._theirs = True
            return _machines(ray.nodes())
        if late:
            _read_environment_again(loopback=self._address is None)
        if self._address is not None:
            _ask(self._address)
        for name in ("ray", "ray.tune", "ray.train", "ray.data"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            with _kept_sigterm(), nullcontext() if self._address else _without_helpers():
                ray.init(
                    address=self._address or "local",
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                    **self._local,
                )
        except (ConnectionError, ValueError, RuntimeError) as error:
            if self._address is None:
                raise
            raise UserError(
                f"--address {self._address}: no Ray cluster can be joined there ({error})"
            ) from error
        return _machines(ray.nodes())

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        if not self._theirs:
            ray.shutdown()


def _machines(nodes: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}


def _ask(address: str) -> None:
    """UserError unless a cluster answers there and takes our token: ray.init does not say which it was."""
    from ray._private.services import canonicalize_bootstrap_address
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.exceptions import AuthenticationError, RpcError

    try:
        head = canonicalize_bootstrap_address(address)
    except (ValueError, OSError):
        head = None
    if head is None or "://" in address:  # "auto" on a machine that is in no cluster; a Ray Client's address
        raise UserError(
            f"--address {address}; valid: HOST:PORT of a cluster's head, or auto on a machine of the cluster"
        )
    try:
        GcsClient(address=head).internal_kv_exists(b"", None, timeout=ANSWER_SECONDS)
    except AuthenticationError:
        raise UserError(
            f"--address {address}: the cluster does not take this machine's token; both must have the same in"
            f" {TOKEN_FILE} or RAY_AUTH_TOKEN (RAY_AUTH_MODE is {os.environ.get('RAY_AUTH_MODE')!r})"
        ) from None
    except (RpcError, ValueError) as error:
        raise UserError(f"--address {address}: no Ray cluster answers there ({error})") from None


@contextmanager
def _kept_sigterm() -> Iterator[None]:
    """Restores the handler of SIGTERM: Ray's own prints a stack trace and ends the process without a word."""
    kept = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if kept is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, kept)


@contextmanager
def _without_helpers() -> Iterator[None]:
    """While open, a Ray that starts has a control store, a raylet with its agents, and workers: no more."""
    from ray._private.node import Node

    kept = {name: getattr(Node, name) for name in HELPERS}
    for name in kept:
        setattr(Node, name, lambda self, **options: None)
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(Node, name, method)


def _read_environment_again(*, loopback: bool) -> None:
    """Let a Ray that was imported before us know of the token, and of the loopback address."""
    from ray._private import ray_constants
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
    if loopback:
        ray_constants.ENABLE_RAY_CLUSTER = False

"""Starts a Ray of our own on this machine, or joins a cluster."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from dfa_tune.errors import UserError
from dfa_tune.orchestration import ray_internals
from dfa_tune.orchestration.cluster import environment
from dfa_tune.orchestration.cluster.environment import TOKEN_FILE

ANSWER_SECONDS = 10.0  # for a head to answer
OBJECT_STORE_BYTES = 256 * 1024**2  # our workers exchange little data through it


def available_cpus() -> int:
    """The cores that this process may use; in a container, fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


class Session:
    """A context in which Ray runs; at its end Ray is shut down, or the cluster left.

    address: of the cluster to join, whose token is found as Ray finds it. None: start a Ray of our own,
    whatever else runs on this machine: on loopback, with a fresh token, without a dashboard.
    """

    def __init__(self, address: str | None, *, use_gpus: bool) -> None:
        self._address, self._theirs = address, False
        environment.set_quiet()
        self._local: dict[str, Any] = {}
        if address is None:
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
            # Otherwise Ray replaces a loopback address by the host's own, and listens on every interface
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
            # If someone kills Ray, end this process instead of waiting a minute for Ray's return
            os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "15")
            self._local = {
                "num_cpus": available_cpus(),
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
                **ray_internals.loopback_options(),
            }
            if not use_gpus:
                self._local["num_gpus"] = 0
        else:
            environment.use_token(f"--address {address}")

    def start(self) -> dict[str, dict[str, float]]:
        """Start Ray or join the cluster; returns each machine's resources, by the machine's id.

        If Ray already runs in this process, that one is used, and left running. Raises UserError if no
        cluster can be joined at the address.
        """
        late = "ray" in sys.modules  # then it has read the environment variables already
        import ray

        if ray.is_initialized():
            self._theirs = True
            return _machines(ray.nodes())
        if late:
            ray_internals.read_environment_again(loopback=self._address is None)
        if self._address is not None:
            _ask(self._address)
        for name in ("ray", "ray.tune", "ray.train", "ray.data"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            with _kept_sigterm(), nullcontext() if self._address else ray_internals.without_helpers():
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
    """Raise UserError unless a cluster answers and accepts our token: ray.init does not say which failed."""
    from ray.exceptions import AuthenticationError, RpcError

    try:
        head = ray_internals.head_address(address)
    except (ValueError, OSError):
        head = None
    if head is None or "://" in address:  # "auto" on a machine without a cluster, or an address of Ray Client
        raise UserError(
            f"--address {address}; valid: HOST:PORT of a cluster's head, or auto on a machine of the cluster"
        )
    try:
        ray_internals.ask_head(head, ANSWER_SECONDS)
    except AuthenticationError:
        raise UserError(
            f"--address {address}: the cluster does not accept this machine's token; both must have the same"
            f" one in {TOKEN_FILE} or RAY_AUTH_TOKEN (RAY_AUTH_MODE is {os.environ.get('RAY_AUTH_MODE')!r})"
        ) from None
    except (RpcError, ValueError) as error:
        raise UserError(f"--address {address}: no Ray cluster answers there ({error})") from None


@contextmanager
def _kept_sigterm() -> Iterator[None]:
    """Restore the handler of SIGTERM afterwards; Ray's own prints a stack trace and ends the process."""
    kept = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if kept is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, kept)

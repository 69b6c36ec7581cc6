"""Starts a Ray of our own on this machine, or joins a cluster."""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dfa_tune.errors import UserError
from dfa_tune.orchestration import ray_internals
from dfa_tune.orchestration.cluster import environment
from dfa_tune.orchestration.cluster.environment import TOKEN_FILE
from dfa_tune.orchestration.cluster.interrupts import held_back
from dfa_tune.orchestration.cluster.session_folder import session_folder

ANSWER_SECONDS = 5.0  # for a head to answer
OBJECT_STORE_BYTES = 256 * 1024**2  # our workers exchange little data through it
SHARED_MEMORY = "/dev/shm"  # noqa: S108  # where Ray's object store is, if it can be


def available_cpus() -> int:
    """The cores that this process may use; in a container, fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


class Session:
    """A context in which Ray runs; at its end Ray is shut down, or the cluster left.

    address: of the cluster to join, whose token is found as Ray finds it. None: start a Ray of our own,
    whatever else runs on this machine: on loopback, with a fresh token, without a dashboard, in a private
    folder.
    """

    def __init__(self, address: str | None, *, use_gpus: bool) -> None:
        self._address, self._use_gpus = address, use_gpus
        self._started = ExitStack()
        self._late = "ray" in sys.modules  # then it has read the environment variables already
        environment.set_quiet()
        if address is None:
            environment.set_private()
        else:
            environment.use_token(f"--address {address}")

    def start(self) -> dict[str, dict[str, float]]:
        """Start Ray or join the cluster; returns each machine's resources, by the machine's id.

        If Ray already runs in this process, that one is used, and left running. Raises UserError if Ray
        cannot start, or if no cluster can be joined at the address.
        """
        import ray

        if not ray.is_initialized():
            if self._late:
                ray_internals.read_environment_again(loopback=self._address is None)
            for name in ("ray", "ray.tune", "ray.train", "ray.data"):
                logging.getLogger(name).setLevel(logging.CRITICAL)
            self._start_own() if self._address is None else self._join(self._address)
        return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}

    def _start_own(self) -> None:
        folder = self._started.enter_context(session_folder())
        options: dict[str, Any] = {
            "address": "local",
            "num_cpus": available_cpus(),
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
        if not self._use_gpus:
            options["num_gpus"] = 0
        store = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else str(folder)
        try:
            with ray_internals.without_helpers():
                self._init(**options, **ray_internals.private_options(str(folder), store))
        except Exception as error:  # Ray raises Exception itself
            raise UserError(f"Ray cannot start: {_last_line(error)}{_last_words(folder)}") from error

    def _join(self, address: str) -> None:
        ask(address)
        try:
            self._init(address=address)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"--address {address}: no Ray cluster can be joined there ({_last_line(error)})"
            ) from error

    def _init(self, **options: Any) -> None:
        import ray

        self._started.callback(ray.shutdown)
        with held_back(), ray_internals.without_signal_handler():
            ray.init(
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                job_config=ray_internals.job_config(),
                **options,
            )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        with held_back():
            self._started.close()


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def _last_words(folder: Path) -> str:
    """The last line in the logs of Ray's processes, which are removed with the session's folder."""
    for name in ("raylet.err", "raylet.out", "gcs_server.err", "gcs_server.out"):
        for log in folder.glob(f"session_2*/logs/{name}"):
            if lines := log.read_text(errors="replace").strip().splitlines():
                return f"\n  {name}: {lines[-1]}"
    return ""


def ask(address: str) -> None:
    """Raise UserError unless a cluster answers and accepts our token: ray.init does not say which failed."""
    from ray.exceptions import AuthenticationError, RpcError

    head = _head(address)
    no_cluster = f"--address {address}: no Ray cluster answers there"
    try:
        if not _speaks_grpc(head):
            raise UserError(f"{no_cluster}, but another server; the port of a cluster's head is usually 6379")
        ray_internals.ask_head(head, ANSWER_SECONDS)
    except OSError as error:
        raise UserError(f"{no_cluster} ({error.strerror or error})") from None
    except AuthenticationError:
        raise UserError(
            f"--address {address}: the cluster does not accept this machine's token; both must have the same"
            f" one in {TOKEN_FILE} or RAY_AUTH_TOKEN (RAY_AUTH_MODE is {os.environ.get('RAY_AUTH_MODE')!r})"
        ) from None
    except (RpcError, ValueError) as error:
        raise UserError(f"{no_cluster} ({_last_line(error)})") from None


def _head(address: str) -> str:
    """HOST:PORT of the cluster's head; UserError where `address` does not say it."""
    try:
        head = ray_internals.head_address(address)
        if head is not None and "://" not in address:  # as an address of Ray Client has
            _host_and_port(head)
            return head
    except (ValueError, OSError):
        pass
    raise UserError(
        f"--address {address}; valid: HOST:PORT of a cluster's head, or auto on a machine of a cluster"
    )


def _host_and_port(head: str) -> tuple[str, int]:
    """The two parts of HOST:PORT; ValueError where they are none."""
    host, _, port = head.rpartition(":")
    if not host or not 0 < int(port) < 2**16:
        raise ValueError(head)
    return host.strip("[]"), int(port)


def _speaks_grpc(head: str) -> bool:
    """Whether a server at `head` answers as one of gRPC does; OSError where none answers in time.

    gRPC's messages are HTTP/2's: a client begins with a fixed text and a frame of settings, of type 4, and a
    server answers with such a frame.
    """
    with socket.create_connection(_host_and_port(head), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        return connection.recv(4)[3:] == b"\4"

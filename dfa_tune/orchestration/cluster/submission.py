"""Sweeps as jobs of a cluster: submitted from a machine that is not part of it, followed, listed, stopped.

The cluster's job server runs `dfa-tune run --address auto` on the head, in a folder that holds this
machine's dfa_tune and the search space, and neither data nor results: those lie where the cluster has them.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from dfa_tune.bundled import PACKAGE, bundled
from dfa_tune.errors import UserError
from dfa_tune.orchestration.cluster.environment import set_quiet, use_token
from dfa_tune.planning.sweep import Sweep
from dfa_tune.results.provenance import revision

SERVER = "http://127.0.0.1:8265"  # of a head's loopback, which an SSH tunnel brings here
POLL_SECONDS = 1.0  # between two looks at a job's output
PATIENCE_SECONDS = 300.0  # without an answer, before following a job is given up
RUNNING = ("PENDING", "RUNNING")


@dataclass(frozen=True)
class Job:
    """A job as the cluster knows it; `status` is one of Ray's: PENDING, RUNNING, STOPPED, SUCCEEDED, FAILED.

    `started` is in seconds since the epoch, None before it has; `exit_code` is that of `dfa-tune run`.
    """

    name: str
    status: str
    command: str
    started: float | None = None
    exit_code: int | None = None
    message: str = ""

    @property
    def running(self) -> bool:
        """Whether it may still print something."""
        return self.status in RUNNING


class JobServer:
    """A cluster's job server; every method raises UserError where it does not answer or refuses us."""

    def __init__(self, address: str) -> None:
        if not address.startswith(("http://", "https://")):
            raise UserError(f"--address {address}: valid here: the job server's URL, e.g. {SERVER}")
        set_quiet()
        use_token(f"--address {address}")
        self.address = address
        if find_spec("aiohttp") is None:
            raise UserError(
                "what a cluster needs is not installed; install dfa-tune with its extra `cluster`"
            )
        from ray.job_submission import JobSubmissionClient

        with self._told():
            self._client = JobSubmissionClient(address)

    def submit(self, sweep: Sweep, options: Sequence[str]) -> str:
        """Start `dfa-tune run` with `options` on the sweep; returns the job's name."""
        file = f"{sweep.name}.yaml"
        command = ["python", "-m", "dfa_tune", "run", file, "--address", "auto", *options]
        with tempfile.TemporaryDirectory(prefix="dfa_tune-") as folder:
            stage(Path(folder))
            (Path(folder) / file).write_text(sweep.text)
            with self._told():
                job: str = self._client.submit_job(
                    entrypoint=shlex.join(command),
                    submission_id=f"{sweep.name}-{uuid4().hex[:8]}",
                    runtime_env={"working_dir": folder},
                )
        return job

    def job(self, name: str) -> Job:
        """The job of this name; UserError where the cluster has none."""
        with self._told():
            try:
                return _job(self._client.get_job_info(name))
            except RuntimeError as error:
                raise UserError(
                    f"job {name}: {str(error).splitlines()[0]}; `dfa-tune jobs` lists them"
                ) from None

    def jobs(self) -> list[Job]:
        """All jobs that were submitted, the oldest first."""
        with self._told():
            found = [_job(info) for info in self._client.list_jobs() if info.submission_id]
        return sorted(found, key=lambda job: job.started or float("inf"))

    def stop(self, name: str) -> bool:
        """Ask the job to end; whether it was running. What it has finished is kept."""
        self.job(name)
        with self._told():
            return bool(self._client.stop_job(name))

    def follow(self, name: str) -> Iterator[str]:
        """What the job prints, from beginning to end, as it comes; waits while the network is away."""
        seen, heard = 0, time.monotonic()
        while True:
            try:
                ended = not self.job(name).running  # asked first: no output comes after that
                with self._told():
                    text: str = self._client.get_job_logs(name)
            except UnreachableError:
                if time.monotonic() - heard > PATIENCE_SECONDS:
                    raise
            else:
                heard = time.monotonic()
                if len(text) > seen:
                    yield text[seen:]
                    seen = len(text)
                if ended:
                    return
            time.sleep(POLL_SECONDS)

    @contextmanager
    def _told(self) -> Iterator[None]:
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            why = str(error).splitlines()[0]
            raise UserError(
                f"{self.address}: the cluster does not take this machine's token: {why}"
            ) from None
        except (ConnectionError, requests.exceptions.RequestException):
            raise UnreachableError(
                f"{self.address}: no job server answers; `ray dashboard cluster.yaml`, running in another"
                " terminal, brings a cluster's to this machine"
            ) from None
        except RuntimeError as error:  # how the client tells of any other answer
            raise UserError(f"{self.address}: {str(error).splitlines()[0]}") from None


class UnreachableError(UserError):
    """The network, or the server, is away; perhaps for a while."""


def stage(folder: Path) -> None:
    """Put the dfa_tune that runs here into `folder`, with what comes with it, as a wheel has them."""
    code = folder / PACKAGE.name
    shutil.copytree(PACKAGE, code, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("search_spaces", "analysis"):
        target = code / "_bundled" / name
        if not target.exists():
            shutil.copytree(bundled(name), target, ignore=shutil.ignore_patterns("__pycache__"))
    # The job is no checkout: its results could not tell otherwise which one they come from
    (code / "_bundled" / "revision.json").write_text(json.dumps(revision()))


def _job(info: Any) -> Job:
    return Job(
        name=info.submission_id,
        status=str(info.status.value),
        command=info.entrypoint,
        started=info.start_time / 1000 if info.start_time else None,
        exit_code=info.driver_exit_code,
        message=(info.message or "").strip(),
    )


def server_address() -> str:
    """Where `ray` too looks for the job server: RAY_API_SERVER_ADDRESS, else this machine's port 8265."""
    return os.environ.get("RAY_API_SERVER_ADDRESS", SERVER)

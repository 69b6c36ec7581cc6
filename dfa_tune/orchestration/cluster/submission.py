"""Submits sweeps as jobs of a cluster that this machine is not part of; follows, lists and stops them.

The cluster's job server runs `dfa-tune run --address auto` on the head, in a folder with this machine's
dfa_tune and the search space. Data and results do not travel: the cluster has them in its own folders.
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
from dfa_tune.registry import FIGURES
from dfa_tune.results.provenance import revision

SERVER = "http://127.0.0.1:8265"  # on the head's loopback; an SSH tunnel makes it reachable here
POLL_SECONDS = 1.0  # between two queries of a job's output
PATIENCE_SECONDS = 300.0  # without an answer, after which we stop following a job
RUNNING = ("PENDING", "RUNNING")


@dataclass(frozen=True)
class Job:
    """A job of the cluster.

    `status` is one of Ray's: PENDING, RUNNING, STOPPED, SUCCEEDED, FAILED. `started`: in seconds since the
    epoch; None before it has started. `exit_code`: of `dfa-tune run`.
    """

    name: str
    status: str
    command: str
    started: float | None = None
    exit_code: int | None = None
    message: str = ""

    @property
    def running(self) -> bool:
        """Whether it has not ended: it may still print."""
        return self.status in RUNNING


class JobServer:
    """A client of a cluster's job server; its methods raise UserError if the server is down or refuses us."""

    def __init__(self, address: str) -> None:
        if not address.startswith(("http://", "https://")):
            raise UserError(f"--address {address}: valid: the URL of the job server, e.g. {SERVER}")
        set_quiet()
        use_token(f"--address {address}")
        self.address = address
        if find_spec("aiohttp") is None:
            raise UserError(
                "the packages for clusters are not installed; install dfa-tune with its extra `cluster`"
            )
        from ray.job_submission import JobSubmissionClient

        with self._errors_told():
            self._client = JobSubmissionClient(address)

    def submit(self, sweep: Sweep, options: Sequence[str]) -> str:
        """Start `dfa-tune run` with `options` on the sweep; returns the name of the job."""
        file = f"{sweep.name}.yaml"
        command = ["python", "-m", "dfa_tune", "run", file, "--address", "auto", *options]
        with tempfile.TemporaryDirectory(prefix="dfa_tune-") as folder:
            stage(Path(folder))
            (Path(folder) / file).write_text(copied(sweep))
            command += stage_plugins(sweep, Path(folder))
            with self._errors_told():
                job: str = self._client.submit_job(
                    entrypoint=shlex.join(command),
                    submission_id=f"{sweep.name}-{uuid4().hex[:8]}",
                    runtime_env={"working_dir": folder},
                )
        return job

    def job(self, name: str) -> Job:
        """The job called `name`; UserError if the cluster has no such job."""
        with self._errors_told():
            try:
                return _job(self._client.get_job_info(name))
            except RuntimeError as error:
                raise UserError(
                    f"job {name}: {str(error).splitlines()[0]}; `dfa-tune jobs` lists them"
                ) from None

    def jobs(self) -> list[Job]:
        """All submitted jobs, the oldest first."""
        with self._errors_told():
            found = [_job(info) for info in self._client.list_jobs() if info.submission_id]
        return sorted(found, key=lambda job: job.started or float("inf"))

    def stop(self, name: str) -> bool:
        """Ask the job to end; returns whether it was running. Its finished trials are kept."""
        self.job(name)
        with self._errors_told():
            return bool(self._client.stop_job(name))

    def follow(self, name: str) -> Iterator[str]:
        """The job's output from beginning to end, as it is printed; waits while the network is down."""
        seen, heard = 0, time.monotonic()
        while True:
            try:
                ended = not self.job(name).running  # asked first: then the output below is complete
                with self._errors_told():
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
    def _errors_told(self) -> Iterator[None]:
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            why = str(error).splitlines()[0]
            raise UserError(
                f"{self.address}: the cluster does not accept this machine's token: {why}"
            ) from None
        except (ConnectionError, requests.exceptions.RequestException):
            raise UnreachableError(
                f"{self.address}: no job server answers; to make a cluster's reachable from this machine, run"
                " `ray dashboard cluster.yaml` in another terminal"
            ) from None
        except RuntimeError as error:  # what the client raises for any other answer
            raise UserError(f"{self.address}: {str(error).splitlines()[0]}") from None


class UnreachableError(UserError):
    """The job server does not answer, perhaps only for a while."""


def copied(sweep: Sweep) -> str:
    """The space's text for a file elsewhere, which has the figure and the claims of the original."""
    if sweep.figure_name is None or "variant_of:" in sweep.text:
        return sweep.text
    return f"variant_of: {sweep.figure_name}\n{sweep.text}"


def stage(folder: Path) -> None:
    """Copy the dfa_tune that runs here into `folder`, with its search spaces and figures, as in a wheel."""
    code = folder / PACKAGE.name
    shutil.copytree(PACKAGE, code, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("search_spaces", "analysis"):
        target = code / "_bundled" / name
        if not target.exists():
            shutil.copytree(bundled(name), target, ignore=shutil.ignore_patterns("__pycache__"))
    # The copy is no checkout: without this file, the results would not say which revision made them
    (code / "_bundled" / "revision.json").write_text(json.dumps(revision()))


def stage_plugins(sweep: Sweep, folder: Path) -> list[str]:
    """Copy the plugins that the sweep's trials and figures need into `folder`; returns `--plugin` for each.

    They are named again in the job, where the same sources have the same digests. Modules lie as on the
    import path, which the job's folder is on.
    """
    used = [plugin for plugins in sweep.plugins.values() for plugin in plugins]
    options = {}
    for plugin in (*used, *FIGURES.named()):
        for module, file in plugin.files.items():
            parts = module.split(".")
            path = Path(*parts, "__init__.py") if file.package else Path(*parts).with_suffix(".py")
            if plugin.is_file:
                path = Path("plugins", plugin.digest, f"{plugin.name}.py")
                options[plugin.place] = f"--plugin={path}"
            else:
                options[plugin.place] = f"--plugin={plugin.module}"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(file.text, encoding="utf-8", newline="")
    return list(options.values())


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
    """The job server's URL, found as `ray` does: RAY_API_SERVER_ADDRESS, else this machine's port 8265."""
    return os.environ.get("RAY_API_SERVER_ADDRESS", SERVER)

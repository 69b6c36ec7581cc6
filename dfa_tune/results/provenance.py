"""Where numbers come from: what every file of results says about the code and the machine."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dfa_tune.bundled import PACKAGE

UNKNOWN = "unknown"
PACKAGES = {"dfa_tune": "dfa-tune", "torch": "torch", "ray": "ray", "numpy": "numpy"}


def metadata(
    space_text: str, start: datetime | float, end: datetime | float, device: str, cuda: str | None = None
) -> dict[str, str]:
    """What is written into a file of results, all of it text.

    start, end: when the pack's training began and ended (`datetime`, or seconds since the epoch).
    device: its name, e.g. "NVIDIA H100"; "cpu" is completed by the processor's model.
    cuda: the version torch was built for; torch is not imported here, so the caller says it.
    """
    return {
        **_code(),
        "cuda": cuda or "none",
        "device": f"cpu: {_processor()}" if device == "cpu" else device,
        "host": platform.node(),
        "platform": platform.platform(),
        "space": space_text,
        "start": _iso(start),
        "end": _iso(end),
    }


def _iso(when: datetime | float) -> str:
    """In UTC, so that times sort as text."""
    moment = when if isinstance(when, datetime) else datetime.fromtimestamp(when, UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@cache
def _code() -> dict[str, str]:
    """Revision and versions; asked once, as a process goes on with the code it has imported."""
    commit, dirty = revision()
    versions = {name: _version(package) for name, package in PACKAGES.items()}
    return {"git_revision": commit, "git_dirty": dirty, "python": platform.python_version(), **versions}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return UNKNOWN


def revision() -> tuple[str, str]:
    """(revision, "true" or "false") of the checkout that this code is of, or was sent from; or unknown."""
    try:
        commit, dirty = json.loads((PACKAGE / "_bundled" / "revision.json").read_text())
    except FileNotFoundError:
        return _git(PACKAGE)
    return str(commit), str(dirty)


def _git(package: Path) -> tuple[str, str]:
    """(revision, "true" or "false": whether the package differs from it) of the checkout, or unknown.

    A wheel may be installed inside somebody else's checkout: its revision would say nothing of us. And what
    a run writes into its own checkout, as into docs/results, changes no number: only the package counts.
    """
    if _run(package, ["ls-files", "--error-unmatch", "__init__.py"]) is None:
        return UNKNOWN, UNKNOWN
    revision = _run(package, ["rev-parse", "HEAD"])
    changes = _run(package, ["status", "--porcelain", "--", "."])
    dirty = UNKNOWN if changes is None else str(bool(changes)).lower()
    return revision or UNKNOWN, dirty


def _run(folder: Path, arguments: Sequence[str]) -> str | None:
    # No optional locks: others may be using the checkout at this moment
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache
def _processor() -> str:
    """The processor's model: bit-identical numbers are promised for CPUs of one type."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()

"""Where numbers come from: what each file of results says of the code and the machine that made it."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dfa_tune.bundled import PACKAGE
from dfa_tune.results.store import Store

UNKNOWN = "unknown"
PACKAGES = {"dfa_tune": "dfa-tune", "torch": "torch", "ray": "ray", "numpy": "numpy"}
# What `metadata` writes and tells two origins apart; the host's name is nobody's business
ORIGIN_KEYS = (
    "git_revision",
    "git_dirty",
    "dfa_tune",
    "python",
    "torch",
    "ray",
    "numpy",
    "cuda",
    "device",
    "platform",
)


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


@dataclass(frozen=True)
class Origin:
    """The code and the machine of some files, "" where a file does not say; times are ISO, in UTC."""

    values: dict[str, str]
    files: int
    start: str
    end: str


def origins(store: Store) -> list[Origin]:
    """The different origins of a sweep's files, in order of their first start; reads footers alone."""
    found: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for name in store.place.files(store.epochs):
        if name.endswith(".parquet") and not name.startswith((".", "_")):
            metadata = _file_metadata(store, name)
            found.setdefault(tuple(metadata.get(key, "") for key in ORIGIN_KEYS), []).append(metadata)
    return sorted(
        (
            Origin(
                dict(zip(ORIGIN_KEYS, values, strict=True)),
                len(files),
                min(metadata.get("start", "") for metadata in files),
                max(metadata.get("end", "") for metadata in files),
            )
            for values, files in found.items()
        ),
        key=lambda origin: origin.start,
    )


def _file_metadata(store: Store, name: str) -> dict[str, str]:
    try:
        content = pq.read_schema(pa.BufferReader(store.place.read(f"{store.epochs}/{name}"))).metadata or {}
    except (pa.ArrowException, OSError):
        return {}  # torn: readers of rows pass it over too, and say so
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in content.items()}

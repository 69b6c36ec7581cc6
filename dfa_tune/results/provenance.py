"""Provenance: what the metadata of each results file says of the code and the machine that made it."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dfa_tune.bundled import PACKAGE
from dfa_tune.results import reader
from dfa_tune.results.store import Store

UNKNOWN = "unknown"
PACKAGES = {"dfa_tune": "dfa-tune", "torch": "torch", "ray": "ray", "numpy": "numpy"}
LEARNING = ("learning", "problems")  # the packages whose code computes a trial's numbers
# Keys that can explain why two runs of one trial have different numbers
ENVIRONMENT = (
    "device",
    "cpu_capability",
    "torch",
    "cuda",
    "numpy",
    "python",
    "platform",
    "dfa_tune",
    "learning_code",
    "git_revision",
    "git_dirty",
)
# The keys that distinguish two origins in a report; the host is left out, as its name is private
ORIGIN_KEYS = (*ENVIRONMENT, "ray")


def metadata(
    space_text: str,
    start: datetime | float,
    end: datetime | float,
    device: str,
    *,
    cuda: str = "none",
    cpu_capability: str = UNKNOWN,
) -> dict[str, str]:
    """The metadata of a results file; all values are text.

    start, end: when the pack's training began and ended (`datetime`, or seconds since the epoch).
    device: the GPU's name, e.g. "NVIDIA H100"; or "cpu", to which the processor's model is added.
    cuda: the version that torch was built for, if a GPU was used.
    cpu_capability: of torch, e.g. "AVX512": which of its kernels it uses on this processor.
    This module does not import torch, so the caller gives what only torch knows.
    """
    return {
        **_code(),
        "cuda": cuda,
        "cpu_capability": cpu_capability,
        "device": f"cpu: {_processor()}" if device == "cpu" else device,
        "host": platform.node(),
        "platform": platform.platform(),
        "space": space_text,
        "start": _iso(start),
        "end": _iso(end),
    }


def _iso(when: datetime | float) -> str:
    """In UTC, so that times sort as texts do."""
    moment = when if isinstance(when, datetime) else datetime.fromtimestamp(when, UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@cache
def _code() -> dict[str, str]:
    """Revision and versions; read once, because a process keeps running the code that it has imported."""
    commit, dirty = revision()
    versions = {name: _version(package) for name, package in PACKAGES.items()}
    return {
        "git_revision": commit,
        "git_dirty": dirty,
        "learning_code": learning_code(),
        "python": platform.python_version(),
        **versions,
    }


@cache
def learning_code(package: Path = PACKAGE) -> str:
    """12 hex characters that identify the code which computes a trial's numbers, of learning and problems."""
    return source_digest(package, [p for part in LEARNING for p in (package / part).rglob("*.py")])


def source_digest(package: Path, files: Iterable[Path]) -> str:
    """12 hex characters that identify the names and contents of `files`, which are in `package`."""
    sha = hashlib.sha256()
    for path in sorted(files):
        sha.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()[:12]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return UNKNOWN


def revision() -> tuple[str, str]:
    """(revision, "true" or "false": whether the code differs from it), or "unknown" for both.

    Of the checkout that this code belongs to, or that it was submitted to a cluster from.
    """
    try:
        commit, dirty = json.loads((PACKAGE / "_bundled" / "revision.json").read_text())
    except FileNotFoundError:
        return _git(PACKAGE)
    return str(commit), str(dirty)


def _git(package: Path) -> tuple[str, str]:
    """As `revision`, from git.

    A wheel may be installed inside an unrelated checkout, whose revision says nothing of this code. Only
    changes of the package count: results that a run writes into its own checkout change no number.
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
    """The processor's model: numbers are promised to be bit-identical on CPUs of one type."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


@dataclass(frozen=True)
class Origin:
    """The code and the machine that made `files` files.

    `values`: by ORIGIN_KEYS, "" where a file does not say. `start`, `end`: of all of them, ISO 8601 in UTC.
    """

    values: dict[str, str]
    files: int
    start: str
    end: str


def origins(store: Store) -> list[Origin]:
    """The distinct origins of a sweep's files, by their first start; parses the files' footers only."""
    found: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for name in reader.listed(store.epochs):
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
        content = pq.read_schema(pa.BufferReader(store.epochs.read(name))).metadata or {}
    except (pa.ArrowException, OSError):
        return {}  # damaged: whoever reads its rows reports it
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in content.items()}

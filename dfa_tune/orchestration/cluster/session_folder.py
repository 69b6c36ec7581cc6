"""A private folder for the sockets and logs of a Ray of our own."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dfa_tune.errors import UserError

PREFIX = "dfa-"
RAY = "r"  # the subfolder that Ray gets; it opens that to every user
# The path of a socket has at most 107 bytes, and the longest of Ray's is
# PARENT/dfa-12345678/r/session_2026-01-31_12-00-00_123456_4194304/sockets/plasma_store
LONGEST = 107 - len(
    f"/{PREFIX}12345678/{RAY}/session_2026-01-31_12-00-00_123456_4194304/sockets/plasma_store"
)
LEAST_BYTES = 32 * 1024**2  # free: for Ray's logs
REMOVE_SECONDS = 2.0  # Ray's processes may write for a moment while they end


@contextmanager
def session_folder(parents: Sequence[str] | None = None) -> Iterator[Path]:
    """The folder for Ray, inside of a new one with mode 0700, which is removed at the end.

    parents: default TMPDIR, /tmp and /var/tmp; the first that is writable, has LEAST_BYTES free, and whose
    path has at most LONGEST bytes is used. Folders of processes that were killed are removed from it first.
    Raises UserError if none can be used.
    """
    if parents is None:
        parents = [os.environ.get("TMPDIR") or "/tmp", "/tmp", "/var/tmp"]  # noqa: S108
    reasons: list[str] = []
    for parent in dict.fromkeys(parents):
        try:
            folder = _create(Path(parent).absolute())
        except OSError as error:
            reasons.append(f"{parent}: {error.strerror}")
        except ValueError as error:
            reasons.append(f"{parent}: {error}")
        else:
            break
    else:
        raise UserError(
            "Ray cannot start: there is no folder for its sockets and logs. Set TMPDIR to a writable"
            f" folder with {LEAST_BYTES // 1024**2} MB free and a path of at most {LONGEST} bytes. Tried:\n  "
            + "\n  ".join(reasons)
        )
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder / RAY
    finally:
        _remove(folder)
        os.close(lock)


def _create(parent: Path) -> Path:
    """OSError or ValueError where `parent` cannot have the folder."""
    if (length := len(os.fsencode(parent))) > LONGEST:
        raise ValueError(f"its path has {length} bytes")
    _remove_abandoned(parent)
    if (free := shutil.disk_usage(parent).free) < LEAST_BYTES:
        raise ValueError(f"only {free // 1024**2} MB are free")
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders in `parent` whose process no longer holds their lock."""
    for folder in parent.glob(f"{PREFIX}????????"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # another process was faster, or it is not ours
        try:
            # Younger ones may not be locked yet
            if os.fstat(lock).st_uid == os.getuid() and time.time() - os.fstat(lock).st_mtime > 60:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
        except OSError:
            continue  # its process runs
        finally:
            os.close(lock)


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + REMOVE_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.01)

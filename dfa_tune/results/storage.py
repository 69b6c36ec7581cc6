"""Where results are kept: a local folder, or an object store behind an fsspec URI.

Both offer the same few operations on paths relative to their root ("fig_3_1/epochs/a.parquet"). Both write a
file whole: a reader sees all of it or none of it. An error of the operating system or of a client becomes a
UserError that names the file. A file that does not exist is a FileNotFoundError.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from dfa_tune.errors import UserError
from dfa_tune.results.local_storage import LOCK_SECONDS, LocalStorage
from dfa_tune.results.object_store import ObjectStore

# user:password@, or a parameter whose name says that it is secret
_SECRET = re.compile(
    r"//[^/?#@]*:[^/?#]*@|[?&][^=&]*(secret|password|token|key|credential|signature)[^=&]*=", re.I
)


class Storage(Protocol):
    """Files below one root. Every path is relative to the root and written with slashes."""

    workers: int  # how many files to read at the same time

    def full(self, path: str) -> str:
        """The path as a user may see it: absolute, or a URI without credentials."""

    def files(self, folder: str) -> list[str]:
        """Names of the files in `folder`, sorted, hidden ones and links included; [] if it does not exist."""

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders in `folder` (the root by default), sorted; links are left out."""

    def read(self, path: str, size: int | None = None) -> bytes:
        """The content of the file, or its first `size` bytes; raises FileNotFoundError."""

    def put(self, path: str, content: bytes) -> None:
        """Write the file whole. It replaces a file of the same name; its folder is created."""

    def remove(self, path: str) -> None:
        """Remove the file; nothing happens if it does not exist."""

    def move(self, path: str, to: str) -> None:
        """Move the file; raises FileNotFoundError if it does not exist any more."""

    def signature(self, path: str) -> Hashable:
        """A value that changes when the file is replaced; None if the file does not exist."""

    def signatures(self, folder: str) -> dict[str, Hashable]:
        """The signature of each file in the folder, by name."""

    def lock(self, path: str, seconds: float = LOCK_SECONDS) -> AbstractContextManager[None]:
        """A context in which no other process holds this lock. Object stores have no locks.

        Raises LockedError if another process still holds it after `seconds`.
        """

    def check_writable(self, folder: str) -> None:
        """Raises UserError unless files can really be written to `folder`; leaves nothing behind."""

    def links(self, sweep: str) -> list[str]:
        """Paths of the links in the folder `sweep` and of that folder itself if it is one, sorted."""

    def remove_partial(self, sweep: str) -> None:
        """Remove the partial files that killed writers left in the folder `sweep` of the root."""


def open_storage(location: str | Path) -> Storage:
    """The storage at `location`: a path (`~` is the home folder), `file://...`, or another fsspec URI."""
    text = str(location)
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)(?:://|::)", text)
    if isinstance(location, Path) or match is None:
        return LocalStorage(Path(text))
    if match[1] in ("file", "local"):
        return LocalStorage(Path(unquote(urlsplit(text).path)))
    remote = ObjectStore(text)
    if _SECRET.search(text):
        raise UserError(
            f"{remote.shown}: credentials in a URI end up in logs; valid: the URI without them, and the"
            " environment (such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or the client's own file"
        )
    return remote


@dataclass(frozen=True)
class Folder:
    """One folder of a storage; see `Storage` for what the operations do."""

    storage: Storage
    path: str  # relative to the storage's root

    def full(self, name: str = "") -> str:
        """The path of the folder, or of a file in it, as a user may see it."""
        return self.storage.full(f"{self.path}/{name}".rstrip("/"))

    def files(self) -> list[str]:
        """Names of the files, sorted, without hidden ones."""
        return [name for name in self.storage.files(self.path) if not name.startswith(".")]

    def read(self, name: str, size: int | None = None) -> bytes:
        """The content of the file, or its first `size` bytes; raises FileNotFoundError."""
        return self.storage.read(f"{self.path}/{name}", size)

    def put(self, name: str, content: bytes) -> str:
        """Write the file whole; returns its path as a user may see it."""
        self.storage.put(f"{self.path}/{name}", content)
        return self.full(name)

    def remove(self, name: str) -> None:
        """Remove the file; nothing happens if it does not exist."""
        self.storage.remove(f"{self.path}/{name}")

    def move(self, name: str, to: Folder, new_name: str | None = None) -> None:
        """Move the file to another folder; raises FileNotFoundError if it does not exist any more."""
        self.storage.move(f"{self.path}/{name}", f"{to.path}/{new_name or name}")

    def signature(self, name: str) -> Hashable:
        """A value that changes when the file is replaced; None if the file does not exist."""
        return self.storage.signature(f"{self.path}/{name}")

    def signatures(self) -> dict[str, Hashable]:
        """The signature of each file in the folder, by name, hidden ones included."""
        return self.storage.signatures(self.path)

    def lock(self, name: str, seconds: float = LOCK_SECONDS) -> AbstractContextManager[None]:
        """A context in which no other process holds the lock of this name."""
        return self.storage.lock(f"{self.path}/{name}", seconds)

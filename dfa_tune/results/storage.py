"""Where results lie: a local folder, or an object store behind an fsspec URI.

Both know the same few operations on paths relative to their root ("fig_3_1/epochs/a.parquet"), and
both publish a file whole: a reader sees all of it or none. What the operating system or a client refuses
becomes a UserError that names the file; a file that is not there is a FileNotFoundError.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from dfa_tune.errors import UserError

# Object stores that pyarrow reaches by itself; fsspec would want a further package for each of them.
NATIVE = ("s3", "gs", "gcs", "abfs", "abfss")
# user:password@, or a parameter whose name says what it is
_SECRET = re.compile(
    r"//[^/?#@]*:[^/?#]*@|[?&][^=&]*(secret|password|token|key|credential|signature)[^=&]*=", re.I
)


class Storage(Protocol):
    """Files under one root; every method takes and gives paths relative to it, with slashes."""

    workers: int  # files worth reading at a time

    def full(self, path: str) -> str:
        """The path as a user may see it: absolute, or a URI without credentials."""

    def files(self, folder: str) -> list[str]:
        """Names of the files in `folder`, sorted, hidden ones included; none if it is not there."""

    def folders(self) -> list[str]:
        """Names of the folders in the root, sorted."""

    def read(self, path: str, size: int | None = None) -> bytes:
        """The file's content, or its first `size` bytes; raises FileNotFoundError."""

    def put(self, path: str, content: bytes) -> None:
        """Write the file whole, replacing one of that name; its folder is made."""

    def remove(self, path: str) -> None:
        """Remove the file; nothing happens if it is not there."""

    def move(self, path: str, to: str) -> None:
        """Move the file; raises FileNotFoundError if it is not there any more."""

    def lock(self, path: str) -> AbstractContextManager[None]:
        """A context in which no other process holds this lock, where the place has locks."""


def place(location: str | Path) -> Storage:
    """The place that `location` names: a path (`~` is the home), `file://...`, or another fsspec URI."""
    text = str(location)
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)(?:://|::)", text)
    if isinstance(location, Path) or match is None:
        return LocalStorage(Path(text))
    if match[1] in ("file", "local"):
        return LocalStorage(Path(unquote(urlsplit(text).path)))
    remote = RemoteStorage(text)
    if _SECRET.search(text):
        raise UserError(
            f"{remote.shown}: credentials in a URI end up in logs; valid: the URI without them, and the"
            " environment (such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or a client's own file"
        )
    return remote


class LocalStorage:
    """A folder of a local (or mounted) file system."""

    def __init__(self, root: Path) -> None:
        # Absolute, as a worker may stand in another folder; not resolved, as a link may move
        self.root = root.expanduser().absolute()
        self.workers = min(4, os.cpu_count() or 1)  # decoding bounds it: more only contend

    def full(self, path: str) -> str:
        return str(self.root / path)

    def files(self, folder: str) -> list[str]:
        return self._names(self.root / folder, folders=False)

    def folders(self) -> list[str]:
        return self._names(self.root, folders=True)

    def _names(self, folder: Path, *, folders: bool) -> list[str]:
        with _told(folder, "listed"):
            try:
                with os.scandir(folder) as entries:
                    return sorted(e.name for e in entries if (e.is_dir() if folders else e.is_file()))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def read(self, path: str, size: int | None = None) -> bytes:
        with _told(self.root / path, "read"), (self.root / path).open("rb") as file:
            return file.read(-1 if size is None else size)

    def put(self, path: str, content: bytes) -> None:
        target = self.root / path
        # Hidden, so that readers of the folder pass it over; beside the target, so that the move is atomic
        temporary = target.with_name(f".{target.name}.{uuid4().hex[:12]}.tmp")
        with _told(target, "written"):
            _make(target.parent)
            try:
                with temporary.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(target)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
            _sync(target.parent)

    def remove(self, path: str) -> None:
        with _told(self.root / path, "removed"):
            (self.root / path).unlink(missing_ok=True)

    def move(self, path: str, to: str) -> None:
        target = self.root / to
        with _told(target, "moved"):
            _make(target.parent)
            (self.root / path).rename(target)
            _sync(target.parent)

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        target = self.root / path
        with _told(target, "written"):
            _make(target.parent)
            file = target.open("ab")
        with file:
            with suppress(OSError):  # a file system without locks: then as on an object store
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """What the operating system refuses becomes a UserError: a full disk, say, or one read-only by now."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and what != "written":
            raise
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        why = f"{error.filename} is a file" if in_the_way else error.strerror
        raise UserError(f"{path} cannot be {what}: {why}") from None


def _make(folder: Path) -> None:
    """Make the folder, and have its name survive a power cut."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RemoteStorage:
    """An object store, where one put makes a file and nothing is ever half there.

    What goes wrong is told without the URI's credentials: `user:password@` and the query.
    """

    workers = 32  # each waits for the network, not for a core

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        parts = urlsplit(self.uri)
        self.shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
        user = parts.netloc.rpartition("@")[0]
        queries = [value for pair in parts.query.split("&") for value in [pair.partition("=")[2]]]
        given = [user, *user.split(":"), parts.query, *queries]
        # Also as they are after decoding: a client may quote either. Longest first, parts of others last
        self.secrets = sorted(
            {s for g in given for s in (g, unquote(g)) if len(s) > 2}, key=len, reverse=True
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"uri": self.uri, "shown": self.shown, "secrets": self.secrets}  # a client is per process

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        with self._told("reached"):
            if urlsplit(self.uri).scheme in NATIVE:
                return _native(self.uri)
            import fsspec

            return fsspec.core.url_to_fs(self.uri)  # type: ignore[no-any-return]

    @contextmanager
    def _told(self, what: str, path: str = "") -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, UserError):
            raise
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            for secret in self.secrets:
                message = message.replace(secret, "***")
            # `from None`: the original would print its own message
            raise UserError(f"{self.full(path)} cannot be {what}: {message}") from None

    def _at(self, path: str) -> tuple[Any, str]:
        filesystem, root = self._opened
        return filesystem, f"{root}/{path}".rstrip("/")

    def full(self, path: str) -> str:
        return f"{self.shown}/{path}".rstrip("/")

    def _list(self, folder: str, kind: str) -> list[str]:
        filesystem, path = self._at(folder)
        with self._told("listed", folder):
            filesystem.invalidate_cache()  # other processes write here too
            try:
                entries = filesystem.ls(path, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        names = {e["name"].rstrip("/").rpartition("/")[2] for e in entries if e["type"] == kind}
        return sorted(names - {""})

    def files(self, folder: str) -> list[str]:
        return self._list(folder, "file")

    def folders(self) -> list[str]:
        return self._list("", "directory")

    def read(self, path: str, size: int | None = None) -> bytes:
        filesystem, at = self._at(path)
        with self._told("read", path):
            return bytes(filesystem.cat_file(at, start=None, end=size))

    def put(self, path: str, content: bytes) -> None:
        filesystem, at = self._at(path)
        with self._told("written", path):
            filesystem.pipe_file(at, content)

    def remove(self, path: str) -> None:
        filesystem, at = self._at(path)
        with self._told("removed", path), suppress(FileNotFoundError):
            filesystem.rm_file(at)

    def move(self, path: str, to: str) -> None:
        self.put(to, self.read(path))
        self.remove(path)

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        yield  # there is none: two may then do the same work, which readers put right


def _native(uri: str) -> tuple[Any, str]:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow import fs

    if uri.startswith("s3:"):  # so that a small file is a single put
        uri += ("&" if "?" in uri else "?") + "allow_delayed_open=true"
    filesystem, root = fs.FileSystem.from_uri(uri)
    return ArrowFSWrapper(filesystem), root

"""Results in an object store, behind an fsspec URI such as s3://bucket/prefix."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from dfa_tune.errors import UserError

# Object stores that pyarrow reaches by itself; fsspec would want a further package for each of them
NATIVE = ("s3", "gs", "gcs", "abfs", "abfss")


class ObjectStore:
    """See `storage.Storage`. One put makes a whole object; there are no partial files and no locks.

    Error messages come without the URI's credentials: `user:password@` and the query.
    """

    workers = 32  # each waits for the network, not for a core

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        parts = urlsplit(self.uri)
        self.shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
        user = parts.netloc.rpartition("@")[0]
        queries = [value for pair in parts.query.split("&") for value in [pair.partition("=")[2]]]
        given = [user, *user.split(":"), parts.query, *queries]
        # Also decoded, as a client may quote either form. The longest first: others may be parts of it
        self.secrets = sorted(
            {s for g in given for s in (g, unquote(g)) if len(s) > 2}, key=len, reverse=True
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"uri": self.uri, "shown": self.shown, "secrets": self.secrets}  # a client is per process

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        with self._user_errors("reached"):
            if urlsplit(self.uri).scheme in NATIVE:
                return _native(self.uri)
            import fsspec

            return fsspec.core.url_to_fs(self.uri)  # type: ignore[no-any-return]

    @contextmanager
    def _user_errors(self, what: str, path: str = "") -> Iterator[None]:
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

    def _names(self, folder: str, kind: str) -> list[str]:
        filesystem, path = self._at(folder)
        with self._user_errors("listed", folder):
            filesystem.invalidate_cache()  # other processes write here too
            try:
                entries = filesystem.ls(path, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        names = {e["name"].rstrip("/").rpartition("/")[2] for e in entries if e["type"] == kind}
        return sorted(names - {""})

    def files(self, folder: str) -> list[str]:
        return self._names(folder, "file")

    def folders(self, folder: str = "") -> list[str]:
        return self._names(folder, "directory")

    def read(self, path: str, size: int | None = None) -> bytes:
        filesystem, at = self._at(path)
        with self._user_errors("read", path):
            if size is None:
                return bytes(filesystem.cat_file(at))
            with filesystem.open(at, "rb") as file:  # `cat_file` with an end asks a stream for its position
                return bytes(file.read(size))

    def put(self, path: str, content: bytes) -> None:
        filesystem, at = self._at(path)
        with self._user_errors("written", path):
            filesystem.pipe_file(at, content)

    def remove(self, path: str) -> None:
        filesystem, at = self._at(path)
        with self._user_errors("removed", path), suppress(FileNotFoundError):
            filesystem.rm_file(at)

    def move(self, path: str, to: str) -> None:
        self.put(to, self.read(path))
        self.remove(path)

    def signature(self, path: str) -> Hashable:
        filesystem, at = self._at(path)
        with self._user_errors("read", path):
            filesystem.invalidate_cache()
            try:
                found = filesystem.info(at)
            except FileNotFoundError:
                return None
        return tuple(str(found.get(key)) for key in ("size", "mtime", "LastModified", "created", "ETag"))

    def signatures(self, folder: str) -> dict[str, Hashable]:
        names = self.files(folder)  # clients list other details than they tell of one object
        with ThreadPoolExecutor(self.workers) as pool:
            return dict(zip(names, pool.map(lambda n: self.signature(f"{folder}/{n}"), names), strict=True))

    @contextmanager
    def lock(self, path: str, seconds: float = 0.0) -> Iterator[None]:
        yield  # two processes may then do the same work; readers drop what is there twice

    def check_writable(self, folder: str) -> None:
        probe = f"{folder.split('/')[0]}/.partial/probe-{uuid4().hex[:12]}"
        try:
            self.put(probe, b"")
            self.remove(probe)
        except UserError as error:
            raise UserError(str(error).replace(self.full(probe), self.full(folder))) from None

    def links(self, sweep: str) -> list[str]:
        return []

    def remove_partial(self, sweep: str) -> None:
        pass  # there are none


def _native(uri: str) -> tuple[Any, str]:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow import fs

    if uri.startswith("s3:"):  # so that a small file is a single put
        uri += ("&" if "?" in uri else "?") + "allow_delayed_open=true"
    filesystem, root = fs.FileSystem.from_uri(uri)
    return ArrowFSWrapper(filesystem), root

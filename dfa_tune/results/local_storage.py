"""Results in a folder of a local or mounted file system."""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from dfa_tune.errors import UserError

PARTIAL = ".partial"  # the folder of a sweep with the files that are being written
# Seconds after which the writer of a partial file is taken for dead. Writing takes seconds, but a writer may
# have been suspended; it then writes its file again (see `put`).
ABANDONED = 3600.0
LOCK_SECONDS = 60.0  # a lock is held for milliseconds; whoever has it for so long is stopped or hangs
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
# What version 0.1 wrote beside the file itself
_OLD_PARTIAL = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")


class LockedError(UserError):
    """Another process holds a lock for longer than was waited for it."""


class LocalStorage:
    """See `storage.Storage`.

    Links inside the root are neither followed nor moved: a folder of results may come from a stranger, and
    a link in it may lead anywhere. The root itself may be a link.
    """

    def __init__(self, root: Path) -> None:
        try:
            # Absolute, as a worker may have another working folder; not resolved, as a link may be changed
            self.root = root.expanduser().absolute()
        except RuntimeError:
            raise UserError(f"{root}: there is no such home folder") from None
        self.workers = min(4, os.cpu_count() or 1)  # decoding takes a core: more would only contend

    def full(self, path: str) -> str:
        return str(self.root / path)

    def files(self, folder: str) -> list[str]:
        found = self._entries(folder)
        return sorted(e.name for e in found if e.is_symlink() or e.is_file())

    def folders(self, folder: str = "") -> list[str]:
        return sorted(e.name for e in self._entries(folder) if e.is_dir(follow_symlinks=False))

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        path = self._path(folder)
        with _user_errors(path, "listed"):
            try:
                with os.scandir(path) as entries:
                    return list(entries)
            except (FileNotFoundError, NotADirectoryError):
                return []

    def read(self, path: str, size: int | None = None) -> bytes:
        source = self._path(path)
        with _user_errors(source, "read"):
            if source.exists() and not source.is_file():  # a pipe would be waited for
                raise UserError(f"{source} cannot be read: not a regular file")
        with _user_errors(source, "read"), source.open("rb") as file:
            length = os.fstat(file.fileno()).st_size  # `read` would allocate a `size` beyond it
            return file.read(length if size is None else min(size, length))

    def put(self, path: str, content: bytes) -> None:
        target, partial = self._path(path), self._partial(path)
        with _user_errors(target, "written"):
            _make(target.parent)
            _make(partial.parent)
            try:
                try:
                    _write(partial, content)
                    partial.replace(target)
                except FileNotFoundError:  # removed as abandoned: this process was suspended for long
                    _write(partial, content)
                    partial.replace(target)
            except BaseException:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)
                raise
            _sync(target.parent)

    def _partial(self, path: str) -> Path:
        """Where the file is written before it gets its name, on the same file system.

        Never in its own folder where that is a folder of a sweep: tools that read a whole folder, such as
        Polars, would read the partial file too.
        """
        *folders, name = path.split("/")
        hidden = f".{name}.{uuid4().hex[:12]}.tmp"
        return self._path("/".join([folders[0], PARTIAL, hidden] if len(folders) > 1 else [*folders, hidden]))

    def remove(self, path: str) -> None:
        target = self._path(path)
        with _user_errors(target, "removed"):
            target.unlink(missing_ok=True)

    def move(self, path: str, to: str) -> None:
        source, target = self._path(path), self._path(to)
        with _user_errors(target, "moved"):
            _make(target.parent)
            source.rename(target)
            _sync(target.parent)

    def signature(self, path: str) -> Hashable:
        target = self._path(path)
        with _user_errors(target, "read"):
            try:
                status = target.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def signatures(self, folder: str) -> dict[str, Hashable]:
        return {name: self.signature(f"{folder}/{name}") for name in self.files(folder)}

    @contextmanager
    def lock(self, path: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
        target = self._path(path)
        lock = FileLock(target, fallback_to_soft=False)
        with _user_errors(target, "written"):
            _make(target.parent)
            try:
                lock.acquire(timeout=seconds, poll_interval=0.005)
            except Timeout:
                raise LockedError(
                    f"{target}: another process has held this lock for {seconds:g} seconds; if it is stopped"
                    " or hangs, end it, and try again"
                ) from None
            except OSError as error:
                if error.errno not in _NO_LOCKS:  # else a file system without locks is like an object store
                    raise
        try:
            yield
        finally:
            lock.release()

    def check_writable(self, folder: str) -> None:
        target, partial = self._path(folder), self._path(f"{folder.split('/')[0]}/{PARTIAL}")
        name = f".probe-{uuid4().hex[:12]}"
        with _user_errors(target, "written"):
            _make(target)
            _make(partial)
            _write(partial / name, b"")
            (partial / name).unlink()
            # An empty folder moves as a file would, and readers of `folder` pass over it
            (partial / name).mkdir()
            (partial / name).rename(target / name)
            (target / name).rmdir()

    def links(self, sweep: str) -> list[str]:
        top = self.root / sweep
        if top.is_symlink():
            return [sweep]
        walk = ((Path(folder), [*folders, *files]) for folder, folders, files in os.walk(top))
        found = [folder / name for folder, names in walk for name in names]
        return sorted(path.relative_to(self.root).as_posix() for path in found if path.is_symlink())

    def remove_partial(self, sweep: str) -> None:
        for folder in self.folders(sweep):
            for name in self.files(f"{sweep}/{folder}"):
                if folder == PARTIAL or _OLD_PARTIAL.fullmatch(name):
                    path = self._path(f"{sweep}/{folder}/{name}")
                    with suppress(OSError):  # another run has removed it
                        if time.time() - path.stat().st_mtime > ABANDONED:
                            path.unlink()

    def _path(self, path: str) -> Path:
        """The absolute path; UserError if the file, or a folder between it and the root, is a link."""
        at = str(self.root)
        for part in path.split("/"):
            at = os.path.join(at, part)  # noqa: PTH118 (for every file that is read: Path is ten times slower)
            if os.path.islink(at):  # noqa: PTH114
                raise UserError(
                    f"{at} is a link; links inside a folder of results are not followed. Put what it leads"
                    " to in its place, or remove it"
                )
        return Path(at)


@contextmanager
def _user_errors(path: Path, what: str) -> Iterator[None]:
    """Turns what the operating system refuses into a UserError: a full disk, say, or a read-only one."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and what != "written":
            raise
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        why = f"{error.filename} is a file" if in_the_way else error.strerror
        raise UserError(f"{path} cannot be {what}: {why}") from None


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _make(folder: Path) -> None:
    """Create the folder, so that it survives a power cut."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    if sys.platform == "win32":  # cannot open a folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

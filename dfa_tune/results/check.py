"""Reads the results, checkpoints, weights and extra tables of a sweep, and says what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dfa_tune.errors import UserError
from dfa_tune.results import checksum, complete, failures, leases, reader
from dfa_tune.results.complete import Copies
from dfa_tune.results.local_storage import PARTIAL
from dfa_tune.results.parquet_file import DamagedFileError, ParquetFile
from dfa_tune.results.storage import Folder, open_storage
from dfa_tune.results.store import NAME, Store

# What can be wrong, and what that means for a user
KINDS = {
    "damaged": "its content is not what was written; a run sets it aside and makes it anew",
    "foreign": "not a file of dfa_tune's",
    "newer": "written by a newer dfa_tune, which this one could misread",
    "linked": "a link, which is not followed",
    "incomplete": "trials without all of their rows; they are not shown and will be trained again",
    "duplicated": "trials that another file has too; `dfa-tune compact` removes the copies",
    "older": "trials of an older version of the numerics; they are not part of the sweep any more",
    "partial": "being written, or left by a writer that was killed; a run removes it after an hour",
}


@dataclass(frozen=True)
class Finding:
    """Something wrong with a file: one of `KINDS`, the file's path, and what exactly."""

    kind: str
    path: str
    message: str


def sweep_names(location: str | Path) -> list[str]:
    """The names of the sweeps that have a folder under `location`, sorted."""
    return [name for name in open_storage(location).folders() if re.fullmatch(NAME, name)]


def check(store: Store, numerics: int | None = None) -> list[Finding]:
    """What is wrong in the folder of a sweep, in order of the files' paths; [] if nothing is.

    numerics: the present version of the numerics; None: do not look for older ones
    """
    found = [
        Finding("linked", store.storage.full(path), "links are not followed")
        for path in store.storage.links(store.name)
    ]
    if any(finding.path == store.path() for finding in found):
        return found
    linked = {finding.path for finding in found}
    for name in ("epochs", "weights", "extras", "rungs", "checkpoints", "leases", "failures", PARTIAL):
        if store.path(name) not in linked:
            look = (
                _epochs(store.epochs, linked, numerics) if name == "epochs" else _others(store, name, linked)
            )
            found += look
    return sorted(found, key=lambda finding: finding.path)


def _epochs(folder: Folder, linked: set[str], numerics: int | None) -> Iterator[Finding]:
    tables: dict[str, pa.Table] = {}
    for name in folder.files():
        path = folder.full(name)
        if path in linked:
            continue
        if not name.endswith(".parquet"):
            yield Finding("foreign", path, "not a Parquet file")
            continue
        try:
            table = reader.read_file(folder, name)
        except reader.NewerVersionError as error:
            yield Finding("newer", path, str(error))
        except DamagedFileError as error:
            yield Finding("damaged", path, str(error))
        except (FileNotFoundError, UserError):  # merged meanwhile
            continue
        else:
            tables[name] = reader.joined([table], complete.COLUMNS)
            if numerics is not None and "numerics" in table.column_names:
                old = table.filter(pc.less(table["numerics"], numerics))
                if trials := len(pc.unique(old["trial_id"])):
                    versions = ", ".join(map(str, sorted(pc.unique(old["numerics"]).to_pylist())))
                    yield Finding("older", path, f"{trials} trials of version {versions} of the numerics")
    yield from _copies(folder, reader.Files(complete.by_preference(tables), {}))


def _copies(folder: Folder, files: reader.Files) -> Iterator[Finding]:
    counting = files.copies().files()
    for position, (name, table) in enumerate(files.tables.items()):
        trials = set(pc.unique(table["trial_id"]).to_pylist())
        whole = set(Copies(table, np.zeros(len(table), np.int64)).files())
        if torn := trials - whole:
            yield Finding("incomplete", folder.full(name), f"{len(torn)} trials, among them {min(torn)}")
        if copies := {trial for trial in whole if counting[trial] != position}:
            yield Finding("duplicated", folder.full(name), f"{len(copies)} trials, among them {min(copies)}")


def _others(store: Store, folder_name: str, linked: set[str]) -> Iterator[Finding]:
    folder = store.folder(folder_name)
    names = folder.files() if folder_name != PARTIAL else store.storage.files(folder.path)
    for name in names:
        path = folder.full(name)
        if path in linked:
            continue
        try:
            finding = _wrong(folder_name, folder, name)
        except FileNotFoundError:  # removed meanwhile
            continue
        if finding is not None:
            yield Finding(finding[0], path, finding[1])


def _wrong(folder_name: str, folder: Folder, name: str) -> tuple[str, str] | None:
    """What is wrong with a file, as its kind and a message; None if nothing is."""
    if folder_name == PARTIAL:
        return "partial", "not a whole file"
    content = folder.read(name)
    if folder_name in ("weights", "checkpoints"):
        whole = checksum.intact(content)
        if whole is False or (whole is None and folder_name == "checkpoints"):
            return "damaged", "its content is not what its checksum says"
    elif folder_name in ("extras", "rungs"):
        try:
            ParquetFile(content).read()
        except DamagedFileError as error:
            return "damaged", str(error)
    elif not (leases.parse(content) if folder_name == "leases" else failures.parse(content)):
        return "foreign", f"not one of the {folder_name}"
    return None

"""Maintenance of a sweep's result files: sets damaged ones aside, removes copies, merges many into few.

One lock keeps processes from doing it at the same time. Object stores have no locks, so nothing relies on it:
the rule of `complete.by_preference` says which copy of a trial stays, and right before a file is removed, it
and those with the copies that count are looked at once more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from dfa_tune.results import complete, parquet_file, reader, schema
from dfa_tune.results.local_storage import LOCK_SECONDS, LockedError
from dfa_tune.results.store import Store, digest

MANY_FILES = 300  # a command reads so many in about half a second
FULL = 1_000_000  # rows of a merged file, at most about 100 MB; one that is half full is not merged again
PATIENCE = 5.0  # seconds that a run waits for another process's maintenance, before it goes on without


def set_aside(store: Store) -> list[str]:
    """Move damaged files, and others that readers of `epochs/` would stumble over, to `damaged/`.

    Every file is decoded whole, checksums included, so that what remains can be relied on. What killed
    writers left behind is removed. Returns the names of the files that were moved. Raises UserError, naming
    the file, if a newer version wrote one.
    """
    store.storage.remove_partial(store.name)
    before = store.epochs.signatures()
    damaged = reader.read_files(store.epochs).damaged
    moved = []
    for name in sorted(store.epochs.files()):
        if name in damaged or (not name.endswith(".parquet") and not name.startswith("_")):
            if name in before and store.epochs.signature(name) != before[name]:
                continue  # another run has just published it anew
            if _move(store, name):
                moved.append(name)
        elif name.startswith("_"):  # pandas passes over such files; a space of that name was taken over
            with suppress(FileNotFoundError):  # another run was faster
                store.epochs.move(name, store.epochs, f"from-{name}")
    return moved


def _move(store: Store, name: str) -> bool:
    there = store.folder("damaged").files()
    to = name if name not in there else f"{name}.{uuid4().hex[:8]}"  # nothing is overwritten
    try:
        store.epochs.move(name, store.folder("damaged"), to)
    except FileNotFoundError:  # another run was faster
        return False
    return True


def drop_copies(store: Store) -> list[str]:
    """Remove files whose trials are all complete in others, such as a `compact` that was killed leaves.

    Our readers drop such rows anyway; this is for other tools. Returns the names. Does nothing while another
    process is at it.
    """
    try:
        with _alone(store, PATIENCE):
            before = store.epochs.signatures()
            files = store.files(complete.COLUMNS)
            names, copies = list(files.tables), files.copies()
            counting = copies.counting_files()
            return [
                names[copy]
                for copy in sorted(copies.superseded())
                if _remove(store, names[copy], [names[other] for other in counting[copy]], before)
            ]
    except LockedError:
        return []


def compact(store: Store) -> int:
    """Merge the files into few, without what is there twice; returns how many files fewer there are.

    Files of the same provenance become one, whose `start` and `end` span theirs. It may be killed
    at any moment: merged files are published first, and readers drop what is there twice. Raises UserError
    if another process is at it for a minute.
    """
    with _alone(store, LOCK_SECONDS):
        before = store.epochs.signatures()
        files = store.files()
        merging = _Merging(files)
        for name, table in merging.merged():
            content = parquet_file.encode(table)
            reader.parse(content, store.epochs.full(name))  # or else it is better left as it was
            store.epochs.put(name, content)
            before[name] = store.epochs.signature(name)
        removed = [
            name for name, needed in merging.replaced().items() if _remove(store, name, needed, before)
        ]
        return len(removed) - len(merging.names)


def compact_if_many(store: Store) -> int:
    """As `compact`, if there are more than `MANY_FILES` and no other process is at it."""
    if len(store.names()) <= MANY_FILES:
        return 0
    try:
        return compact(store)
    except LockedError:
        return 0


def _alone(store: Store, seconds: float) -> AbstractContextManager[None]:
    return store.folder("leases").lock(".maintenance", seconds)


def _remove(store: Store, name: str, needed: Iterable[str], before: Mapping[str, Hashable]) -> bool:
    """Remove the file if it and those whose copies count are still what they were when they were read."""
    for each in (*needed, name):
        if before.get(each) is None or store.epochs.signature(each) != before[each]:
            return False
    store.epochs.remove(name)
    return True


class _Merging:
    """Which files become which: those of one provenance one, or several where they are very large."""

    def __init__(self, files: reader.Files) -> None:
        self._files, self._names = files, list(files.tables)
        self._tables = list(files.tables.values())
        self._rows = files.rows().combine_chunks()
        file = files.file_of_row()
        self._copies = complete.Copies(self._rows, file)
        self._kept = self._copies.rows_to_keep()
        self._file = file[self._kept]
        self.names: list[str] = []  # of the merged files
        self._successors: dict[int, list[str]] = {}  # of each file that is replaced

    def merged(self) -> Iterator[tuple[str, pa.Table]]:
        """The name and the content of each merged file."""
        counts = np.bincount(self._file, minlength=len(self._names))
        groups: dict[Any, list[int]] = {}
        for position, table in enumerate(self._tables):
            whole = counts[position] == len(table)
            if not counts[position]:
                self._successors[position] = []
            elif not whole or len(table) < FULL / 2:
                groups.setdefault(_provenance(table), []).append(position)
        for members in groups.values():
            if len(members) > 1 or counts[members[0]] < len(self._tables[members[0]]):
                yield from self._merge(members)

    def _merge(self, members: list[int]) -> Iterator[tuple[str, pa.Table]]:
        sources = [self._names[position] for position in members]
        round_ = 1 + max(complete.merges(name) for name in sources)
        metadata = _spanning([self._tables[position].schema.metadata or {} for position in members])
        successors: list[str] = []
        for part, rows in enumerate(self._parts(self._kept[np.isin(self._file, members)])):
            name = f"compacted-{round_}-{digest([*sources, str(part)])}.parquet"
            yield name, _slim(self._rows.take(rows)).replace_schema_metadata(metadata)
            successors.append(name)
        self.names += successors
        self._successors |= dict.fromkeys(members, successors)

    def _parts(self, rows: np.ndarray) -> list[np.ndarray]:
        """The rows, which are sorted by trial, in parts of about `FULL` rows that hold whole trials."""
        trial = self._rows["trial_id"].take(rows).combine_chunks().dictionary_encode().indices.to_numpy()
        begins = np.flatnonzero(np.diff(trial)) + 1
        cuts = [begins[begins <= end].max(initial=0) for end in range(FULL, len(rows), FULL)]
        return [part for part in np.split(rows, cuts) if len(part)]

    def replaced(self) -> dict[str, list[str]]:
        """The files to remove, and for each of them those that hold its trials from now on."""
        counting = self._copies.counting_files()
        found = {}
        for position, own in self._successors.items():
            needed = set(own)
            for other in counting[position]:
                needed.update(self._successors.get(other, [self._names[other]]))
            found[self._names[position]] = sorted(needed)
        return found


def _provenance(table: pa.Table) -> frozenset[tuple[bytes, bytes]]:
    metadata = table.schema.metadata or {}
    return frozenset((key, value) for key, value in metadata.items() if key not in (b"start", b"end"))


def _spanning(metadata: Sequence[Mapping[bytes, bytes]]) -> dict[bytes, bytes]:
    """Metadata that differ in `start` and `end` alone, as one; ISO times of one zone sort as text."""
    starts = [m[b"start"] for m in metadata if b"start" in m]
    ends = [m[b"end"] for m in metadata if b"end" in m]
    span = {**({b"start": min(starts)} if starts else {}), **({b"end": max(ends)} if ends else {})}
    return {**metadata[0], **span}


def _slim(table: pa.Table) -> pa.Table:
    """Without the columns that only other groups' custom problems have."""
    empty = [
        c for c in table.column_names if c not in schema.SCHEMA.names and table[c].null_count == len(table)
    ]
    return table.drop_columns(empty)

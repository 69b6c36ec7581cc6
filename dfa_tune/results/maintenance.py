"""Maintenance of a sweep's files: sets damaged ones aside, removes copies, merges many into few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from dfa_tune.results import parquet_file, reader, schema
from dfa_tune.results.store import Store, digest


def set_aside(store: Store) -> list[str]:
    """Move torn files, and whatever else readers of `epochs/` would stumble over, to `damaged/`.

    Every file is decoded whole, checksums included, so that what remains can be relied on.
    Returns the names. Raises UserError, naming the file, if a newer version wrote one.
    """
    store.storage.remove_partial(store.name)
    damaged = list(reader.read_files(store.epochs).damaged)
    visible = [name for name in store.epochs.files() if not name.startswith("_")]
    names = sorted({*damaged, *(name for name in visible if not name.endswith(".parquet"))})
    there = set(store.folder("damaged").files()) if names else set()
    moved = []
    for name in names:
        to = name if name not in there else f"{name}.{uuid4().hex[:8]}"  # nothing is overwritten
        try:
            store.epochs.move(name, store.folder("damaged"), to)
            moved.append(name)
        except FileNotFoundError:
            pass  # another run was faster
    return moved


def drop_copies(store: Store) -> list[str]:
    """Remove files whose trials are all complete in others, as a `compact` that was killed leaves them.

    Readers drop such rows in any case; this is for readers that are not ours. Returns the names. Of two
    files the larger stays, of equal ones the first by name, so that two runs at once choose alike.
    """
    tables = store.files(schema.KEYS).tables
    kept: set[str] = set()
    copies = []
    for name in sorted(tables, key=lambda name: (-len(tables[name]), name)):
        complete = reader.complete_trials([tables[name]])
        if complete == set(tables[name]["trial_id"].to_pylist()) and complete <= kept:
            store.epochs.remove(name)
            copies.append(name)
        kept |= complete
    return copies


def compact(store: Store) -> int:
    """Merge the files into few, without what is there twice; returns how many files that removed.

    Files of the same provenance become one, whose `start` and `end` span theirs. It may be killed
    at any moment: the merged files are published first, and readers drop what is there twice.
    """
    tables = store.files().tables
    names = list(tables)
    groups: dict[Any, list[int]] = {}
    for index, name in enumerate(names):
        groups.setdefault(_provenance(tables[name]), []).append(index)
    rows = reader.joined(list(tables.values()))
    file_of_row = np.repeat(np.arange(len(names)), [len(table) for table in tables.values()])
    kept = reader.order(rows).indices
    file_of_row = file_of_row[kept]
    replaced: list[str] = []
    published = 0
    for members in groups.values():
        mine = kept[np.isin(file_of_row, members)]
        if len(members) == 1 and len(mine) == len(tables[names[members[0]]]):
            continue
        sources = [names[index] for index in members]
        if len(mine):
            merged = rows.combine_chunks().take(mine)
            metadata = _spanning([tables[name].schema.metadata or {} for name in sources])
            table = _slim(merged).replace_schema_metadata(metadata)
            store.epochs.put(f"compacted-{digest(sources)}.parquet", parquet_file.encode(table))
            published += 1
        replaced += sources
    for name in replaced:
        store.epochs.remove(name)
    return len(replaced) - published


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

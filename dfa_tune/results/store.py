"""The results of one sweep: `<location>/<name>/epochs/*.parquet`, one row a trial and evaluated epoch.

A file is published whole or not at all, and a trial is done when its last row is in a valid file.
There is no other state: nothing has to agree with the files, so nothing can disagree.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfa_tune.errors import UserError
from dfa_tune.results import checksum, reader, schema
from dfa_tune.results.reader import DamagedFileError, DamagedFileWarning, Files
from dfa_tune.results.storage import place

NAME = r"[A-Za-z0-9_-]+"  # of a sweep's folder


@dataclass(frozen=True)
class Recorded:
    """A finished trial as its file has it: its rows, the file's metadata, where the file is."""

    rows: pd.DataFrame
    metadata: dict[str, str]
    path: str


def find(location: str | Path, trial_id: str) -> Recorded | None:
    """The finished trial `trial_id` of whichever sweep under `location`; None where there is none."""
    for name in place(location).folders():
        if re.fullmatch(NAME, name) and (found := Store(location, name).find(trial_id)):
            return found
    return None


class Store:
    """The results of the sweep `name` under `location`, a local path or an fsspec URI.

    The folder need not exist: it is empty then. A store can be pickled and used from any process.
    """

    def __init__(self, location: str | Path, name: str) -> None:
        if not re.fullmatch(NAME, name):
            raise UserError(f"results' name {name!r}; valid: letters, digits, _ and -")
        self.location, self.name = location, name
        self.place = place(location)
        self.epochs = f"{name}/epochs"

    def path(self, *parts: str) -> str:
        """Where something of this sweep lies, e.g. `path("figures")`; a URI comes without credentials."""
        return self.place.full("/".join((self.name, *parts)))

    def put(self, content: bytes, *parts: str) -> str:
        """Write a file of this sweep whole, e.g. `put(png, "figures", "a.png")`; returns its path."""
        self.place.put("/".join((self.name, *parts)), content)
        return self.path(*parts)

    def save_weights(self, trial_id: str, tensors_bytes: bytes) -> None:
        """Write a trial's weights, in safetensors' format, to `weights/<trial_id>.safetensors`."""
        self.put(tensors_bytes, "weights", f"{trial_id}.safetensors")

    def check_writable(self) -> None:
        """Raises UserError, naming the place, unless files can really be written and removed there."""
        for folder in ("epochs", "leases"):
            probe = f"{self.name}/{folder}/.{uuid4().hex[:12]}.tmp"  # hidden: never read as a result
            try:
                self.place.put(probe, b"")
                self.place.remove(probe)
            except UserError as error:
                why = str(error).replace(self.place.full(probe), self.path(folder))
                raise UserError(f"{why}; choose another --results") from None

    def publish(
        self, stem: str, rows: pd.DataFrame | Sequence[Mapping[str, Any]], metadata: Mapping[str, str]
    ) -> str:
        """Write the rows of whole trials as `epochs/<stem>.parquet`, at once and durably; returns its path.

        A file of that stem is replaced: a stem stands for a set of trials. Raises ValueError if the
        rows are not as `schema.table` wants them, UserError if they cannot be written.
        """
        if not stem or stem.startswith((".", "_")) or "/" in stem:
            raise ValueError(f"stem {stem!r}: readers would not find it")
        return self._write(stem, schema.table(rows, metadata))

    def _write(self, stem: str, table: pa.Table) -> str:
        buffer = pa.BufferOutputStream()
        # Snappy: in files this small, setting up zstd for each column doubles the time of reading
        with pq.ParquetWriter(buffer, table.schema, compression="snappy", write_page_checksum=True) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({checksum.KEY: checksum.UNSEALED})
        return self.put(checksum.seal(buffer.getvalue().to_pybytes()), "epochs", f"{stem}.parquet")

    def read(
        self, trial_ids: Collection[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """The rows of complete trials, one for each (trial_id, epoch), sorted by them.

        trial_ids: only these; columns: only these, in this order. Without `columns`: all of `SCHEMA`,
        then those of custom problems. Raises KeyError for a column that no file has.
        """
        wanted = None if columns is None else list(dict.fromkeys((*schema.KEYS, *columns)))
        table = reader.joined(list(self._files(wanted).tables.values()), wanted)
        if trial_ids is not None:
            table = table.filter(pc.is_in(table["trial_id"], pa.array(trial_ids, pa.string())))
        return _complete(table, columns)

    def names(self) -> set[str]:
        """The names of all files of results there are, valid or not."""
        return set(reader.listed(self.place, self.epochs))

    def read_but(self, known: Set[str]) -> tuple[pd.DataFrame, set[str]]:
        """As `read`, the rows of the files that are not `known` by name; and those files' names."""
        files = self._files(but=known)
        rows = _complete(reader.joined(list(files.tables.values())))
        return rows, files.tables.keys() | files.damaged.keys()

    def read_file(self, stem: str) -> pd.DataFrame:
        """The rows of one file as published; raises FileNotFoundError, UserError if it is damaged."""
        path = f"{self.epochs}/{stem}.parquet"
        try:
            frame: pd.DataFrame = reader.joined([reader.read_file(self.place, path)]).to_pandas()
        except DamagedFileError as error:
            raise UserError(f"{self.place.full(path)} is damaged: {error}") from None
        return frame

    def find(self, trial_id: str) -> Recorded | None:
        """The trial's rows and its file's metadata; None unless it is complete."""
        for name, keys in self._files(schema.KEYS).tables.items():
            if trial_id in reader.complete_trials([keys]):
                path = f"{self.epochs}/{name}"
                try:
                    table = reader.joined([whole := reader.read_file(self.place, path)])
                except (DamagedFileError, FileNotFoundError):
                    continue  # in columns that tell nothing of completeness, or merged meanwhile
                rows = table.filter(pc.equal(table["trial_id"], trial_id)).to_pandas()
                metadata = (whole.schema.metadata or {}).items()
                described = {key.decode(): value.decode() for key, value in metadata if key != b"pandas"}
                return Recorded(rows, described, self.place.full(path))
        return None

    def done(self) -> set[str]:
        """The ids of the trials that are complete in valid files; reads three columns."""
        return reader.complete_trials(list(self._files(schema.KEYS).tables.values()))

    def _files(self, columns: Sequence[str] | None = None, but: Set[str] = frozenset()) -> Files:
        files = reader.read_files(self.place, self.epochs, columns, but)
        if files.damaged:
            listed = "; ".join(f"{name} ({why})" for name, why in files.damaged.items())
            message = f"{self.path('epochs')}: passed over, torn or not results: {listed}"
            warnings.warn(message, DamagedFileWarning, stacklevel=3)
        return files

    def take_over(self, trials: Mapping[str, str]) -> set[str]:
        """Copy trials that other sweeps under the same location have already, and this one has not.

        trials: trial_id to the stage it has here. The copies keep the metadata of their origin, and
        name it. A sibling that cannot be read is passed over with a warning. Returns the ids copied.
        """
        taken: set[str] = set()
        for sibling, found, table in self._elsewhere(trials):
            stage = pa.array([trials[trial] for trial in table["trial_id"].to_pylist()])
            table = table.set_column(table.schema.get_field_index("stage"), "stage", stage)
            origin = {**(table.schema.metadata or {}), b"taken_over_from": sibling.encode()}
            self._write(f"{sibling}-{_digest(found)}", table.replace_schema_metadata(origin))
            taken |= found
        return taken

    def elsewhere(self, trials: Collection[str]) -> pd.DataFrame:
        """The rows that `take_over` would copy of these trials, as they are there; writes nothing."""
        tables = [table for _, _, table in self._elsewhere(trials)]
        frame: pd.DataFrame = reader.joined(tables).to_pandas()
        return frame

    def _elsewhere(self, trials: Collection[str]) -> Iterator[tuple[str, set[str], pa.Table]]:
        """Sibling, trials that only it has, and their rows; a trial once."""
        missing = set(trials) - self.done() if trials else set()
        for sibling in self.place.folders():
            if not missing:
                break
            if sibling != self.name and re.fullmatch(NAME, sibling):
                try:
                    for found, table in Store(self.location, sibling)._whole(missing):
                        missing -= found
                        yield sibling, found, table
                except UserError as error:
                    warnings.warn(f"nothing taken over from {sibling}: {error}", UserWarning, stacklevel=3)

    def _whole(self, wanted: Set[str]) -> Iterator[tuple[set[str], pa.Table]]:
        """Of each file the wanted trials that are complete in it, and their rows; `wanted` may shrink."""
        for name, keys in self._files(schema.KEYS).tables.items():
            if found := reader.complete_trials([keys]) & wanted:
                try:
                    table = reader.read_file(self.place, f"{self.epochs}/{name}")
                except (DamagedFileError, FileNotFoundError):
                    continue  # whole trials are lost to us, never parts of one: they will be trained
                yield found, table.filter(pc.is_in(table["trial_id"], pa.array(found, pa.string())))

    def set_aside(self) -> list[str]:
        """Move torn files, and whatever else readers of `epochs/` would stumble over, to `damaged/`.

        Every file is decoded whole, checksums included, so that what remains can be relied on.
        Returns the names. Raises UserError, naming the file, if a newer version wrote one.
        """
        damaged = list(reader.read_files(self.place, self.epochs).damaged)
        visible = [name for name in self.place.files(self.epochs) if not name.startswith((".", "_"))]
        names = sorted({*damaged, *(name for name in visible if not name.endswith(".parquet"))})
        there = set(self.place.files(f"{self.name}/damaged")) if names else set()
        moved = []
        for name in names:
            to = name if name not in there else f"{name}.{uuid4().hex[:8]}"  # nothing is overwritten
            try:
                self.place.move(f"{self.epochs}/{name}", f"{self.name}/damaged/{to}")
                moved.append(name)
            except FileNotFoundError:
                pass  # another run was faster
        return moved

    def drop_copies(self) -> list[str]:
        """Remove files whose trials are all complete in others, as a `compact` that was killed leaves them.

        Readers drop such rows in any case; this is for readers that are not ours. Returns the names. Of two
        files the larger stays, of equal ones the first by name, so that two runs at once choose alike.
        """
        tables = self._files(schema.KEYS).tables
        kept: set[str] = set()
        copies = []
        for name in sorted(tables, key=lambda name: (-len(tables[name]), name)):
            complete = reader.complete_trials([tables[name]])
            if complete == set(tables[name]["trial_id"].to_pylist()) and complete <= kept:
                self.place.remove(f"{self.epochs}/{name}")
                copies.append(name)
            kept |= complete
        return copies

    def compact(self) -> int:
        """Merge the files into few, without what is there twice; returns how many files that removed.

        Files of the same provenance become one, whose `start` and `end` span theirs. It may be killed
        at any moment: the merged files are published first, and readers drop what is there twice.
        """
        tables = self._files().tables
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
                self._write(f"compacted-{_digest(sources)}", _slim(merged).replace_schema_metadata(metadata))
                published += 1
            replaced += sources
        for name in replaced:
            self.place.remove(f"{self.epochs}/{name}")
        return len(replaced) - published


def _complete(table: pa.Table, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The rows of complete trials, a (trial_id, epoch) once, sorted; `columns` of them, in this order."""
    order = reader.order(table)
    if columns is not None:
        table = table.select(list(columns))
    frame: pd.DataFrame = table.combine_chunks().take(order.indices[order.complete]).to_pandas()
    return frame


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]


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

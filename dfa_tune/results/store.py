"""The results of one sweep: `<location>/<name>/epochs/*.parquet`, one row per trial and evaluated epoch.

A file is published whole or not at all, and a trial is done when a valid file has all of its rows: to its
end, or to the epoch at which it was stopped. There is no other state that could disagree with the files.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dfa_tune.errors import UserError
from dfa_tune.results import checksum, complete, parquet_file, reader, schema
from dfa_tune.results.complete import Copies
from dfa_tune.results.parquet_file import DamagedFileError
from dfa_tune.results.reader import DamagedFileWarning, Files
from dfa_tune.results.storage import Folder, open_storage

WEIGHTS = ".safetensors"
NAME = r"[A-Za-z0-9_-]+"  # of a sweep's folder


def rung_file(pack_id: str, epoch: int) -> str:
    """The name in the folder `rungs` of what a pack has after this epoch."""
    return f"{pack_id}-{epoch}.parquet"


@dataclass(frozen=True)
class Recorded:
    """A trial that ended or was stopped: its rows, and its file's metadata and path."""

    rows: pd.DataFrame
    metadata: dict[str, str]
    path: str


def find(location: str | Path, trial_id: str) -> Recorded | None:
    """The finished trial `trial_id` of any sweep under `location`; None if there is none."""
    for name in open_storage(location).folders():
        if re.fullmatch(NAME, name) and (found := Store(location, name).find(trial_id)):
            return found
    return None


class Store:
    """The results of the sweep `name` under `location`, a local path or an fsspec URI.

    The folder need not exist; it is then empty. A store can be pickled and used in any process.
    """

    def __init__(self, location: str | Path, name: str) -> None:
        if not re.fullmatch(NAME, name):
            raise UserError(f"results' name {name!r}; valid: letters, digits, _ and -")
        self.location, self.name = location, name
        self.storage = open_storage(location)

    def folder(self, name: str) -> Folder:
        """The folder `<results>/<name>/name`: epochs, weights, extras, leases, failures, ..."""
        return Folder(self.storage, f"{self.name}/{name}")

    @property
    def epochs(self) -> Folder:
        """The folder of the Parquet files with the rows."""
        return self.folder("epochs")

    def path(self, *parts: str) -> str:
        """The path of something of this sweep as a user may see it, e.g. `path("figures", "a.png")`."""
        return self.storage.full("/".join((self.name, *parts)))

    def save_weights(self, trial_id: str, tensors_bytes: bytes) -> None:
        """Write a trial's weights to `weights/<trial_id>.safetensors`, with the checksum of the file.

        tensors_bytes: in safetensors' format; its metadata hold `checksum.UNSEALED`, or else ValueError
        """
        self.folder("weights").put(trial_id + WEIGHTS, checksum.seal(tensors_bytes))

    def read_weights(self, trial_id: str) -> bytes | None:
        """The file of a trial's weights; None where there is none, or, with a warning, a damaged one."""
        folder, name = self.folder("weights"), trial_id + WEIGHTS
        try:
            content = folder.read(name)
        except FileNotFoundError:
            return None
        if checksum.intact(content) is False:
            warnings.warn(f"{folder.full(name)}: passed over: damaged", DamagedFileWarning, stacklevel=2)
            return None
        return content

    def damaged_weights(self) -> set[str]:
        """The ids of the trials whose weights are damaged: a run trains them again."""
        folder = self.folder("weights")
        names = [name for name in folder.files() if name.endswith(WEIGHTS)]
        damaged = [name for name in names if checksum.intact(folder.read(name)) is False]
        return {name.removesuffix(WEIGHTS) for name in damaged}

    def check_writable(self) -> None:
        """Raises UserError, naming the folder, unless results can really be written."""
        for folder in ("epochs", "leases"):
            try:
                self.storage.check_writable(f"{self.name}/{folder}")
            except UserError as error:
                raise UserError(f"{error}; choose another --results") from None

    def publish(
        self,
        stem: str,
        rows: pd.DataFrame | Sequence[Mapping[str, Any]],
        metadata: Mapping[str, str],
        folder: str = "epochs",
    ) -> str:
        """Write the rows of whole trials as `epochs/<stem>.parquet`, at once and durably; returns its path.

        A file of that stem is replaced: a stem stands for a set of trials. Raises ValueError if the rows are
        not as `schema.table` wants them or not those of whole trials, UserError if they cannot be written.
        `folder`: where else to write; `rungs` has trials that wait for a decision whether they are stopped.
        """
        if not stem or stem.startswith((".", "_")) or "/" in stem:
            raise ValueError(f"stem {stem!r}: readers would not find it")
        table = schema.table(rows, metadata)
        copies = Copies(table, np.zeros(len(table), np.int64))
        if torn := set(table["trial_id"].to_pylist()) - copies.files().keys():
            raise ValueError(f"trial {min(torn)}: not all of its evaluated epochs are there")
        if len(copies.rows()) < len(table):
            raise ValueError(f"{stem}: a trial has an epoch twice")
        content = parquet_file.encode(table)
        try:
            reader.parse(content, stem)  # what readers would pass over must not be taken for published
        except DamagedFileError as error:
            raise ValueError(f"{stem}: {error}") from None
        return self.folder(folder).put(f"{stem}.parquet", content)

    def read(
        self, trial_ids: Collection[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """The rows of whole trials (see `complete`), one for each (trial_id, epoch), sorted by them.

        trial_ids: only these; columns: only these, in this order. Without `columns`: all of `SCHEMA`,
        then those of custom problems. Raises KeyError for a column that no file has.
        """
        wanted = None if columns is None else list(dict.fromkeys((*complete.COLUMNS, *columns)))
        return _whole(self.files(wanted), wanted, columns, trial_ids)

    def names(self) -> set[str]:
        """The names of all files of results, valid or not."""
        return set(reader.listed(self.epochs))

    def read_but(self, known: Set[str]) -> tuple[pd.DataFrame, set[str]]:
        """As `read`, the rows of the files whose names are not `known`; and the names of those files."""
        files = self.files(but=known)
        return _whole(files), files.tables.keys() | files.damaged.keys()

    def read_file(self, stem: str) -> pd.DataFrame:
        """The complete trials of one file; raises FileNotFoundError, and UserError if it is damaged."""
        name = f"{stem}.parquet"
        try:
            return _whole(Files({name: reader.read_file(self.epochs, name)}, {}))
        except DamagedFileError as error:
            raise UserError(f"{self.epochs.full(name)} is damaged: {error}") from None

    def read_rungs(self, but: Set[str] = frozenset()) -> tuple[pd.DataFrame, set[str]]:
        """The rows so far of trials that wait for a decision whether they are stopped, as stopped ones.

        From all files of the folder `rungs` but those named; and the names of the files read. A damaged one
        is not among them: its trials are trained again, and it is written anew.
        """
        files = reader.read_files(self.folder("rungs"), but=but)
        return _whole(files), set(files.tables)

    def publish_stopped(self, trial_ids: Set[str]) -> None:
        """Write the rows that `rungs` has of these trials into `epochs`, with the metadata that they have."""
        files = reader.read_files(self.folder("rungs"))
        counting = files.copies().files()
        for position, table in enumerate(files.tables.values()):
            if own := {trial for trial in trial_ids if counting.get(trial) == position}:
                rows = table.filter(pc.is_in(table["trial_id"], pa.array(own, pa.string())))
                self.epochs.put(f"stopped-{digest(own)}.parquet", parquet_file.encode(rows))

    def clear_rungs(self, decided: Set[str]) -> None:
        """Remove the files of `rungs` whose trials are all `decided`: finished, or published as stopped."""
        folder = self.folder("rungs")
        for name, table in reader.read_files(folder, ["trial_id"]).tables.items():
            if set(table["trial_id"].to_pylist()) <= decided:
                folder.remove(name)

    def find(self, trial_id: str) -> Recorded | None:
        """The trial's rows and its file's metadata; None unless it is whole."""
        files = self.files(complete.COLUMNS)
        position = files.copies().files().get(trial_id)
        if position is None:
            return None
        name = list(files.tables)[position]
        try:
            table = reader.read_file(self.epochs, name)
        except (DamagedFileError, FileNotFoundError):  # merged meanwhile, or damaged in another column
            return None
        rows = _whole(Files({name: table}, {}), trial_ids=[trial_id])
        metadata = (table.schema.metadata or {}).items()
        described = {k.decode(errors="replace"): v.decode(errors="replace") for k, v in metadata}
        return Recorded(rows, described, self.epochs.full(name))

    def done(self) -> set[str]:
        """The ids of the trials that are complete in valid files; reads no more than tells that."""
        return self.files(complete.COLUMNS).copies().complete()

    def whole(self) -> set[str]:
        """As `done`, and those that were stopped."""
        return set(self.files(complete.COLUMNS).copies().files())

    def files(self, columns: Sequence[str] | None = None, but: Set[str] = frozenset()) -> Files:
        """The tables of the valid files, except those named in `but`; warns of the damaged ones."""
        files = reader.read_files(self.epochs, columns, but)
        if files.damaged:
            listed = "; ".join(f"{name} ({why})" for name, why in files.damaged.items())
            message = f"{self.path('epochs')}: passed over as damaged or not results: {listed}"
            warnings.warn(message, DamagedFileWarning, stacklevel=3)
        return files

    def take_over(self, trials: Mapping[str, tuple[str, int | None]]) -> set[str]:
        """Copy trials that other sweeps under the same location have and this one has not.

        trials: the stage and the repetition that each trial has here, by trial id. The copies keep the
        metadata of their origin and name it. A sweep that cannot be read is passed over with a warning.
        Returns the ids copied.
        """
        taken: set[str] = set()
        for sibling, found, table in self._elsewhere(trials):
            here = [trials[trial] for trial in table["trial_id"].to_pylist()]
            table = schema.with_column(table, "stage", [stage for stage, _ in here])
            table = schema.with_column(table, "repetition", [repetition for _, repetition in here])
            origin = {**(table.schema.metadata or {}), b"taken_over_from": sibling.encode()}
            stem = f"from-{sibling}-{digest(found)}"
            self.epochs.put(f"{stem}.parquet", parquet_file.encode(table.replace_schema_metadata(origin)))
            taken |= found
        return taken

    def done_elsewhere(self) -> set[str]:
        """Ids of the trials that other sweeps under the same location have, trained to the end."""
        found: set[str] = set()
        for sibling in self._siblings():
            with _passed_over(sibling.name):
                found |= sibling.done()
        return found

    def elsewhere(self, trials: Collection[str]) -> pd.DataFrame:
        """The rows that `take_over` would copy of these trials; writes nothing."""
        tables = [table for _, _, table in self._elsewhere(trials)]
        frame: pd.DataFrame = reader.joined(tables).to_pandas()
        return frame

    def _elsewhere(self, trials: Collection[str]) -> Iterator[tuple[str, set[str], pa.Table]]:
        """Other sweeps, the trials that are taken from each, and their rows; each trial once."""
        missing = set(trials) - self.done() if trials else set()
        for sibling in self._siblings() if missing else ():
            if not missing:
                break
            with _passed_over(sibling.name):
                for found, table in sibling._whole(missing):
                    missing -= found
                    yield sibling.name, found, table

    def _siblings(self) -> Iterator[Store]:
        """The other sweeps under the same location."""
        for name in self.storage.folders():
            if name != self.name and re.fullmatch(NAME, name):
                yield Store(self.location, name)

    def _whole(self, wanted: Set[str]) -> Iterator[tuple[set[str], pa.Table]]:
        """Of each file the wanted trials whose copy in it counts, and their rows; `wanted` may shrink."""
        files = self.files(complete.COLUMNS)
        copies, by_file = files.copies(), dict[int, set[str]]()
        finished = copies.complete()
        for trial, position in copies.files().items():
            if trial in finished:  # what was stopped was stopped by the other sweep's rules
                by_file.setdefault(position, set()).add(trial)
        for position, name in enumerate(files.tables):
            if found := by_file.get(position, set()) & wanted:
                try:
                    table = reader.read_file(self.epochs, name)
                except (DamagedFileError, FileNotFoundError):
                    continue  # the trials will be trained
                yield found, table.filter(pc.is_in(table["trial_id"], pa.array(found, pa.string())))


@contextmanager
def _passed_over(sibling: str) -> Iterator[None]:
    """A sweep that cannot be read is passed over with a warning."""
    try:
        yield
    except UserError as error:
        warnings.warn(f"nothing taken over from {sibling}: {error}", UserWarning, stacklevel=5)


def _whole(
    files: Files,
    read: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    trial_ids: Collection[str] | None = None,
) -> pd.DataFrame:
    """The rows of whole trials, each once, sorted. `read`: the columns that the files were read with."""
    table, file = files.rows(read), files.file_of_row()
    if trial_ids is not None:
        kept = pc.is_in(table["trial_id"], pa.array(trial_ids, pa.string()))
        table, file = table.filter(kept), file[kept.to_numpy()]
    rows = Copies(table, file).rows()
    if columns is not None:
        table = table.select(list(columns))
    frame: pd.DataFrame = table.combine_chunks().take(rows).to_pandas()
    return frame


def digest(names: Iterable[str]) -> str:
    """16 hex characters that stand for this set of names."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]

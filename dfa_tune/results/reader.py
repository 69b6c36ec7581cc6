"""Parquet files to rows: what is torn or foreign is named, what is newer is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfa_tune.errors import UserError
from dfa_tune.results import checksum
from dfa_tune.results.schema import KEYS, REQUIRED, SCHEMA, SCHEMA_VERSION, version
from dfa_tune.results.storage import Folder

TYPES = {field.name: field.type for field in SCHEMA}


class DamagedFileWarning(UserWarning):
    """Files were passed over because they are torn, or are not results."""


class DamagedFileError(Exception):
    """The file is torn, or is not results; the message says how that shows."""


@dataclass(frozen=True)
class Files:
    """What a folder holds: the tables of its valid files and the complaints about the others, by name."""

    tables: dict[str, pa.Table]
    damaged: dict[str, str]


def read_file(folder: Folder, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of one file with its metadata, of `columns` those that it has.

    Raises DamagedFileError, FileNotFoundError, and UserError if a newer version wrote it.
    """
    try:
        content = folder.read(name)  # whole, as it is checked whole; a remote file is then one request
        if checksum.intact(content) is False:
            raise DamagedFileError("its content is not what its checksum says")
        # The pages' own checksums are for a file that another tool has rewritten without the seal
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            schema = file.schema_arrow
            if version(schema) > SCHEMA_VERSION:
                raise UserError(
                    f"{folder.full(name)} has schema version {version(schema)}, written by a newer dfa_tune;"
                    f" this one reads up to {SCHEMA_VERSION}: update it"
                )
            if missing := [name for name in REQUIRED if name not in schema.names]:
                raise DamagedFileError(f"no column {missing[0]}")
            wanted = None if columns is None else [name for name in columns if name in schema.names]
            return _conforming(_unsealed(file.read(columns=wanted, use_threads=False)))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedFileError(str(error).partition("\n")[0]) from None


def _unsealed(table: pa.Table) -> pa.Table:
    """Without the seal among its metadata: it belongs to that file, not to what is made of its rows."""
    metadata = table.schema.metadata or {}
    return table.replace_schema_metadata({k: v for k, v in metadata.items() if k != checksum.KEY.encode()})


def _conforming(table: pa.Table) -> pa.Table:
    """The table with our types: another tool may have rewritten it with its own kind of strings."""
    if not table.schema.equals(SCHEMA):  # nearly always equal, and this runs for every file
        for index, field in enumerate(table.schema):
            if field.type != (ours := TYPES.get(field.name, field.type)):
                table = table.set_column(index, field.name, table.column(index).cast(ours))
    for name in KEYS:
        if table[name].null_count:
            raise DamagedFileError(f"column {name} has nulls")
    return table


def read_files(folder: Folder, columns: Sequence[str] | None = None, but: Set[str] = frozenset()) -> Files:
    """All results directly in `folder`: *.parquet without a leading dot, several at a time, in order of name.

    Files named in `but` are left out.

    A file that vanishes between the listing and the reading was merged into another one: the folder
    is then listed again.
    """
    for _ in range(10):
        try:
            return Files(*_read_listed(folder, columns, but))
        except FileNotFoundError:
            continue
    raise UserError(f"{folder.full()}: files vanish while they are read; try again")


def listed(folder: Folder) -> list[str]:
    """The names of the files that `read_files` would read, in order."""
    return [name for name in folder.files() if name.endswith(".parquet")]


def _read_listed(
    folder: Folder, columns: Sequence[str] | None, but: Set[str]
) -> tuple[dict[str, pa.Table], dict[str, str]]:
    names = [name for name in listed(folder) if name not in but]
    tables, damaged = {}, {}

    def attempt(name: str) -> pa.Table | DamagedFileError:
        try:
            return read_file(folder, name, columns)
        except DamagedFileError as error:
            return error

    with ThreadPoolExecutor(folder.storage.workers) as pool:
        for name, result in zip(names, pool.map(attempt, names), strict=True):
            if isinstance(result, DamagedFileError):
                damaged[name] = str(result)
            else:
                tables[name] = result
    return tables, damaged


def joined(tables: Sequence[pa.Table], columns: Sequence[str] | None = None) -> pa.Table:
    """One table of all rows in order: `SCHEMA`'s columns, then further ones; null where a file lacks one."""
    wanted = SCHEMA if columns is None else pa.schema([f for f in SCHEMA if f.name in columns])
    if tables and all(wanted.equals(table.schema) for table in tables):  # uniting equal schemas is slow
        return pa.concat_tables([t.replace_schema_metadata(None) for t in tables])
    tables = [t.replace_schema_metadata(None) for t in (wanted.empty_table(), *tables)]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowTypeError:  # a custom problem's column is a number in one file and text in another
        return pa.concat_tables([_further_as_text(table) for table in tables], promote_options="permissive")


def _further_as_text(table: pa.Table) -> pa.Table:
    types = [field.type if field.name in SCHEMA.names else pa.string() for field in table.schema]
    return table.cast(pa.schema(list(zip(table.column_names, types, strict=True))))


@dataclass(frozen=True)
class Order:
    """The rows of a table as readers want them.

    indices: one row for each (trial_id, epoch), sorted by both; the first where there are several.
    complete: for each of them, whether its trial's last row is in the table.
    """

    indices: np.ndarray
    complete: np.ndarray


def order(table: pa.Table) -> Order:
    """Sort, drop what is there twice, and mark complete trials; on integers, as strings are slow."""
    encoded = table["trial_id"].combine_chunks().dictionary_encode()
    trial = encoded.indices.to_numpy()
    alphabetical = pc.array_sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(alphabetical), np.int64)
    rank[alphabetical] = np.arange(len(alphabetical))
    trial, epoch = rank[trial], table["epoch"].to_numpy()
    finished = np.zeros(len(rank), bool)
    finished[trial[epoch == table["epochs"].to_numpy()]] = True

    indices = np.lexsort((epoch, trial))  # stable: of equal rows the first file's comes first
    trial, epoch = trial[indices], epoch[indices]
    first = np.ones(len(indices), bool)
    first[1:] = (trial[1:] != trial[:-1]) | (epoch[1:] != epoch[:-1])
    return Order(indices[first], finished[trial[first]])


def complete_trials(tables: Sequence[pa.Table]) -> set[str]:
    """The ids of the trials whose last row (epoch = epochs) is in one of the tables."""
    return {trial for table in tables for trial in _last_rows(table)}


def _last_rows(table: pa.Table) -> Iterator[str]:
    last = pc.equal(table["epoch"], table["epochs"])
    yield from table["trial_id"].filter(last).to_pylist()

"""Parquet files to rows. Damaged and foreign files are named; files of a newer version are refused."""

from __future__ import annotations

from collections.abc import Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dfa_tune.errors import UserError
from dfa_tune.results import complete
from dfa_tune.results.complete import Copies
from dfa_tune.results.parquet_file import LARGEST_FILE, DamagedFileError, ParquetFile
from dfa_tune.results.schema import REQUIRED, SCHEMA, SCHEMA_VERSION, version
from dfa_tune.results.storage import Folder

TYPES = {field.name: field.type for field in SCHEMA}


class DamagedFileWarning(UserWarning):
    """Files were passed over because they are damaged, or are not results."""


class NewerVersionError(UserError):
    """The file was written by a newer dfa_tune, which this one could misread."""


@dataclass(frozen=True)
class Files:
    """What a folder holds: the tables of its valid files, and what is wrong with the others, by name.

    The tables are in the order in which copies of a trial count; see `complete.by_preference`.
    """

    tables: dict[str, pa.Table]
    damaged: dict[str, str]

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows, with the columns that `joined` gives them."""
        return joined(list(self.tables.values()), columns)

    def file_of_row(self) -> np.ndarray:
        """For each of `rows`, the position of its file among the tables."""
        lengths = [len(table) for table in self.tables.values()]
        return np.repeat(np.arange(len(lengths)), lengths)

    def copies(self) -> Copies:
        """The trials of the files, which must have been read with `complete.COLUMNS`."""
        return Copies(self.rows(complete.COLUMNS), self.file_of_row())


def read_file(folder: Folder, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of one file with its metadata, and those of `columns` (all by default) that it has.

    Raises DamagedFileError, FileNotFoundError, and NewerVersionError if a newer version wrote it.
    """
    # Whole, as the checksum is that of the whole file; a remote file is then one request
    return parse(folder.read(name, LARGEST_FILE + 1), folder.full(name), columns)


def parse(content: bytes, path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """As `read_file`, of the content of the file at `path`."""
    file = ParquetFile(content)
    _check(file, path)
    wanted = None if columns is None else [column for column in columns if column in file.names]
    return _conforming(file.read(wanted))


def _check(file: ParquetFile, path: str) -> None:
    """What can be told from the footer: version, columns, types, nulls where there must be none."""
    try:
        written_by = version(file.schema)
    except ValueError:
        raise DamagedFileError("its schema version is not a number") from None
    if written_by > SCHEMA_VERSION:
        raise NewerVersionError(
            f"{path} has schema version {written_by}, written by a newer dfa_tune;"
            f" this one reads up to {SCHEMA_VERSION}: update it"
        )
    if missing := [name for name in REQUIRED if name not in file.names]:
        raise DamagedFileError(f"it has no column {missing[0]}")
    for field in file.schema if not file.schema.equals(SCHEMA) else ():
        ours = TYPES.get(field.name)
        if not _readable(field.type, ours):
            valid = "numbers, text or booleans" if ours is None else str(ours)
            raise DamagedFileError(f"its column {field.name} holds {field.type}; valid: {valid}")
    for group in range(file.metadata.num_row_groups):
        for name in REQUIRED:
            statistics = file.metadata.row_group(group).column(file.names.index(name)).statistics
            if statistics is not None and statistics.null_count:
                raise DamagedFileError(f"its column {name} has nulls")


@cache
def _readable(theirs: pa.DataType, ours: pa.DataType | None) -> bool:
    """Whether a column may have that type: another tool may have written it with its own kinds of types."""
    kinds = _kinds(theirs)
    if ours is None:  # a custom problem's column
        return bool(kinds - {"numbers"})
    return "null" in kinds or bool(kinds & _kinds(ours))


def _kinds(kind: pa.DataType) -> set[str]:
    if pa.types.is_dictionary(kind):  # a categorical column of pandas
        kind = kind.value_type
    tests = {
        "number": pa.types.is_integer(kind) or pa.types.is_floating(kind),
        "text": pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind),
        "boolean": pa.types.is_boolean(kind),
        "numbers": pa.types.is_list(kind) and "number" in _kinds(kind.value_type),
        "null": pa.types.is_null(kind),
    }
    return {name for name, true in tests.items() if true}


def _conforming(table: pa.Table) -> pa.Table:
    """The table with our types; raises DamagedFileError where a value does not fit."""
    try:
        for index, field in enumerate(table.schema):
            ours = TYPES.get(field.name) or _plain(field.type)
            if field.type != ours:
                table = table.set_column(index, field.name, table.column(index).cast(ours))
            if ours == pa.string():
                table.column(index).validate(full=True)  # that it is UTF-8
    except (pa.ArrowException, ValueError) as error:
        raise DamagedFileError(str(error).partition("\n")[0]) from None
    for name in REQUIRED:
        if name in table.column_names and table[name].null_count:
            raise DamagedFileError(f"its column {name} has nulls")
    if "learning_rate" in table.column_names and not pc.all(pc.is_finite(table["learning_rate"])).as_py():
        raise DamagedFileError("its column learning_rate is not finite")
    return table


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type in which we keep a custom problem's column."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float64()
    return kind if pa.types.is_boolean(kind) or pa.types.is_null(kind) else pa.string()


def read_files(folder: Folder, columns: Sequence[str] | None = None, but: Set[str] = frozenset()) -> Files:
    """All results directly in `folder`, several at a time, except the files named in `but`.

    A file that vanishes between the listing and the reading was merged into another one: the folder
    is then listed again.
    """
    for _ in range(10):
        try:
            return _read_listed(folder, columns, but)
        except FileNotFoundError:
            continue
    raise UserError(f"{folder.full()}: files vanish while they are read; try again")


def listed(folder: Folder) -> list[str]:
    """The names of the files that `read_files` reads: *.parquet without a leading dot, sorted."""
    return [name for name in folder.files() if name.endswith(".parquet")]


def _read_listed(folder: Folder, columns: Sequence[str] | None, but: Set[str]) -> Files:
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
    return Files(complete.by_preference(tables), damaged)


def joined(tables: Sequence[pa.Table], columns: Sequence[str] | None = None) -> pa.Table:
    """One table of all rows in order: `SCHEMA`'s columns, then further ones; null where a file lacks one."""
    wanted = SCHEMA if columns is None else pa.schema([f for f in SCHEMA if f.name in columns])
    tables = [t.replace_schema_metadata(None) for t in tables]
    if columns is not None:
        tables = [t.select([name for name in t.column_names if name in columns]) for t in tables]
    if tables and all(wanted.equals(table.schema) for table in tables):  # uniting equal schemas is slow
        return pa.concat_tables(tables)
    tables = [wanted.empty_table(), *tables]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException:  # a custom problem's column is a number in one file and text in another
        return pa.concat_tables([_further_as_text(table) for table in tables], promote_options="permissive")


def _further_as_text(table: pa.Table) -> pa.Table:
    types = [field.type if field.name in SCHEMA.names else pa.string() for field in table.schema]
    return table.cast(pa.schema(list(zip(table.column_names, types, strict=True))))

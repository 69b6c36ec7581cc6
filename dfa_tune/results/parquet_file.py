"""A table as the bytes of a Parquet file with a checksum, and back. The bytes may come from a stranger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfa_tune.results import checksum

LARGEST_FILE = 2**30  # bytes
# What a file may hold, so that a few megabytes do not fill the memory: a row takes half a kilobyte of it.
# Files of ours have 30 to 100 bytes per row, and hardly more than 1 if all their trials diverged at once.
MOST_ROWS = 2_000_000
MOST_COLUMNS = 200
ROWS_PER_BYTE = 2.0
GROWTH = 50  # bytes of decompressed pages per byte
MOST_LAYERS = 1000  # values of a list, on average over the rows
MOST_TEXT = 2**30  # bytes of all texts of all rows
FREE_ROWS, FREE_BYTES = 200_000, 2**24  # allowed whatever the size of the file


class DamagedFileError(Exception):
    """The file is torn, or it is not what its name says; the message says how that shows."""


def encode(table: pa.Table) -> bytes:
    """The table as a Parquet file that holds the checksum of its whole content."""
    buffer = pa.BufferOutputStream()
    # Snappy: in files this small, setting up zstd for each column doubles the time of reading
    with pq.ParquetWriter(buffer, table.schema, compression="snappy", write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({checksum.KEY: checksum.UNSEALED})
    return checksum.seal(buffer.getvalue().to_pybytes())


class ParquetFile:
    """The content of a Parquet file, of which nothing but the footer is decoded until `read`.

    Raises DamagedFileError if the content is not what its checksum says, if two columns have one name, or
    if it would unfold to far more than its size lets expect. A file that another tool has written has no
    checksum; the checksums of its pages, if it has those, are checked as they are read.
    """

    def __init__(self, content: bytes) -> None:
        if len(content) > LARGEST_FILE:
            raise DamagedFileError(f"it is larger than {LARGEST_FILE >> 20} MiB")
        if checksum.intact(content) is False:
            raise DamagedFileError("its content is not what its checksum says")
        self._content = content
        with _damaged():
            self._file = self._open()
            self.schema = self._file.schema_arrow
            self.names: list[str] = self.schema.names
        self.metadata = self._file.metadata
        self._groups = [self.metadata.row_group(i) for i in range(self.metadata.num_row_groups)]
        self._check_size()

    def _open(self, **options: Any) -> pq.ParquetFile:
        return pq.ParquetFile(pa.BufferReader(self._content), page_checksum_verification=True, **options)

    def _check_size(self) -> None:
        rows, size = self.metadata.num_rows, len(self._content)
        unfolded = sum(group.total_byte_size for group in self._groups)
        if len(self.names) > MOST_COLUMNS:
            raise DamagedFileError(f"it has {len(self.names)} columns")
        if len(set(self.names)) < len(self.names):
            twice = next(name for i, name in enumerate(self.names) if name in self.names[:i])
            raise DamagedFileError(f"it has two columns {twice!r}")
        if rows > min(MOST_ROWS, FREE_ROWS + ROWS_PER_BYTE * size):
            raise DamagedFileError(f"its {size:,} bytes claim to be {rows:,} rows")
        if unfolded > FREE_BYTES + GROWTH * size:
            raise DamagedFileError(f"its {size:,} bytes unfold to {unfolded:,}")

        self._check_lists()

    def _check_lists(self) -> None:
        """Raises DamagedFileError if lists hold far more values than there are rows."""
        nested = [index for index, field in enumerate(self.schema) if pa.types.is_nested(field.type)]
        if self.metadata.num_columns != len(self.names):  # there are columns with several kinds of values
            nested = list(range(self.metadata.num_columns))
        for group in self._groups:
            for index in nested:
                if (values := group.column(index).num_values) > MOST_LAYERS * max(1, group.num_rows):
                    raise DamagedFileError(f"its {group.num_rows:,} rows hold lists of {values:,} values")

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The columns, or all of them; without the checksum among the metadata. Raises DamagedFileError."""
        with _damaged():
            # A text is not longer than its row group: small files need no closer look
            if sum(group.num_rows * group.total_byte_size for group in self._groups) > MOST_TEXT:
                self._check_text(columns or self.names)
            table = self._file.read(columns=columns, use_threads=False)
        described = {k: v for k, v in (self.schema.metadata or {}).items() if k != checksum.KEY.encode()}
        return table.replace_schema_metadata(described)

    def _check_text(self, columns: Sequence[str]) -> None:
        """Raises DamagedFileError if all rows repeat texts that are huge together."""
        texts = [name for name in columns if _is_text(self.schema.field(name).type)]
        table = self._open(read_dictionary=texts).read(columns=texts, use_threads=False)
        chunks = [chunk for column in table.columns for chunk in column.chunks]
        lengths = (pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in chunks)
        if sum(pc.sum(length).as_py() or 0 for length in lengths) > MOST_TEXT:
            raise DamagedFileError(f"its {len(self._content):,} bytes unfold to gigabytes of text")


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


@contextmanager
def _damaged() -> Iterator[None]:
    """Turns what pyarrow raises where a file is torn into a DamagedFileError."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedFileError(str(error).partition("\n")[0]) from None

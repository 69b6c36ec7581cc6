"""A table as the bytes of a Parquet file with a checksum, and back."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from dfa_tune.results import checksum


def encode(table: pa.Table) -> bytes:
    """The table as a Parquet file that holds the checksum of its whole content."""
    buffer = pa.BufferOutputStream()
    # Snappy: in files this small, setting up zstd for each column doubles the time of reading
    with pq.ParquetWriter(buffer, table.schema, compression="snappy", write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({checksum.KEY: checksum.UNSEALED})
    return checksum.seal(buffer.getvalue().to_pybytes())

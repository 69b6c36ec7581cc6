"""Where a sweep's files say that they come from."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from dfa_tune.results.store import Store

# What `provenance.metadata` writes and tells two origins apart; the host's name is nobody's business
KEYS = (
    "git_revision",
    "git_dirty",
    "dfa_tune",
    "python",
    "torch",
    "ray",
    "numpy",
    "cuda",
    "device",
    "platform",
)


@dataclass(frozen=True)
class Origin:
    """The code and the machine of some files, "" where a file does not say; times are ISO, in UTC."""

    values: dict[str, str]
    files: int
    start: str
    end: str


def origins(store: Store) -> list[Origin]:
    """The different origins of a sweep's files, in order of their first start; reads footers alone."""
    found: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for name in store.place.files(store.epochs):
        if name.endswith(".parquet") and not name.startswith((".", "_")):
            metadata = _metadata(store, name)
            found.setdefault(tuple(metadata.get(key, "") for key in KEYS), []).append(metadata)
    return sorted(
        (
            Origin(
                dict(zip(KEYS, values, strict=True)),
                len(files),
                min(metadata.get("start", "") for metadata in files),
                max(metadata.get("end", "") for metadata in files),
            )
            for values, files in found.items()
        ),
        key=lambda origin: origin.start,
    )


def _metadata(store: Store, name: str) -> dict[str, str]:
    try:
        content = pq.read_schema(pa.BufferReader(store.place.read(f"{store.epochs}/{name}"))).metadata or {}
    except (pa.ArrowException, OSError):
        return {}  # torn: readers of rows pass it over too, and say so
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in content.items()}

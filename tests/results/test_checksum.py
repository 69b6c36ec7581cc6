"""The checksum of a whole file inside that file."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dfa_tune.errors import UserError
from dfa_tune.results import Store, maintenance
from dfa_tune.results.checksum import MARK, UNSEALED, intact, seal

CONTENT = b"head " + UNSEALED.encode() + b" tail"


def test_a_sealed_content_is_intact_and_as_long_as_before() -> None:
    sealed = seal(CONTENT)
    assert intact(sealed)
    assert len(sealed) == len(CONTENT)
    assert sealed.startswith(b"head " + MARK)


@pytest.mark.parametrize("at", [0, 30, -1])
def test_any_other_byte_is_noticed(at: int) -> None:
    changed = bytearray(seal(CONTENT))
    changed[at] ^= 1
    assert intact(bytes(changed)) is False


@pytest.mark.parametrize("content", [b"", b"no mark", MARK, MARK + b"0" * 63])
def test_a_content_without_a_mark_is_not_sealed(content: bytes) -> None:
    assert intact(content) is None
    with pytest.raises(ValueError, match="no mark"):
        seal(content)


@pytest.mark.parametrize(
    "flips", [500, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_no_flipped_bit_anywhere_in_a_file_changes_what_is_read(store: Store, rows, flips: int) -> None:
    path = Path(store.publish("pack", rows("a") + rows("b"), {"space": "name: x", "host": "here"}))
    content, before = path.read_bytes(), store.read_file("pack")
    draw = random.Random(0)
    for _ in range(flips):
        changed = bytearray(content)
        changed[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            assert store.read_file("pack").equals(before)
        except UserError as error:
            assert "damaged" in str(error) or "newer" in str(error)  # noqa: PT017 (either is right)


def test_a_file_that_another_tool_rewrote_has_no_seal_and_is_read(store: Store, rows, epochs: Path) -> None:
    store.publish("pack", rows("a"), {})
    table = pq.read_table(epochs / "pack.parquet")
    pq.write_table(table.replace_schema_metadata(None), epochs / "pack.parquet")
    assert store.done() == {"a"}


def test_the_seal_is_not_carried_over_to_a_merged_file(store: Store, rows, epochs: Path) -> None:
    for name in "ab":
        store.publish(name, rows(name), {"host": "here"})
    assert maintenance.compact(store) == 1
    [path] = epochs.iterdir()
    assert intact(path.read_bytes())
    assert store.done() == {"a", "b"}
    with pa.OSFile(str(path)) as file:
        assert pq.read_metadata(file).metadata[b"host"] == b"here"

"""The checksum of a whole file inside that file, so that a flipped bit is not taken for a result.

Parquet's own page checksums leave headers and footer unprotected: of the files with one flipped bit, about
one in a hundred reads back with other rows. A file with a checksum contains `MARK` and 64 hex characters in
its header or footer: the SHA-256 of the file with zeros in place of these characters.
"""

from __future__ import annotations

import hashlib

KEY = "seal"  # under which the metadata hold it
MARK = b"dfa_tune-sha256:"
UNSEALED = MARK.decode() + "0" * 64  # to be written where `seal` puts the checksum


def seal(content: bytes) -> bytes:
    """The content with its checksum in place of the last `UNSEALED`; ValueError if there is none."""
    at = _position(content)
    if at is None:
        raise ValueError("nothing to seal: the content has no mark")
    return b"".join((content[:at], _digest(content, at), content[at + 64 :]))


def intact(content: bytes) -> bool | None:
    """Whether the content is what its checksum says; None if it has none, or if the mark is damaged."""
    at = _position(content)
    return None if at is None else content[at : at + 64] == _digest(content, at)


def _position(content: bytes) -> int | None:
    """Where the checksum begins."""
    at = content.rfind(MARK)
    whole = at >= 0 and at + len(MARK) + 64 <= len(content)
    return at + len(MARK) if whole else None


def _digest(content: bytes, at: int) -> bytes:
    view = memoryview(content)
    sha = hashlib.sha256(view[:at])
    sha.update(b"0" * 64)
    sha.update(view[at + 64 :])
    return sha.hexdigest().encode()

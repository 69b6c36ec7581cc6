"""A checksum of a whole file inside that file, so that no flipped bit is taken for a result.

Parquet's own page checksums leave headers and footer unprotected: of files with one flipped bit about one
in a hundred reads back with other rows. A sealed file has `MARK` and 64 hex characters somewhere in its
header or footer: the SHA-256 of the file with these 64 characters as zeros.
"""

from __future__ import annotations

import hashlib

KEY = "seal"  # of the metadata's entry
MARK = b"dfa_tune-sha256:"
UNSEALED = MARK.decode() + "0" * 64  # what to write before `seal`


def seal(content: bytes) -> bytes:
    """The content with its checksum in the place of the last `UNSEALED`; ValueError where there is none."""
    at = _place(content)
    if at is None:
        raise ValueError("nothing to seal: the content has no mark")
    return b"".join((content[:at], _digest(content, at), content[at + 64 :]))


def intact(content: bytes) -> bool | None:
    """Whether the content is as it was sealed; None: it never was, or its mark is damaged."""
    at = _place(content)
    return None if at is None else content[at : at + 64] == _digest(content, at)


def _place(content: bytes) -> int | None:
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

"""The titles of the spaces that have written to a results folder: two spaces of one name share the folder."""

from __future__ import annotations

import hashlib

from dfa_tune.results.store import Store

FOLDER = "titles"
LARGEST_FILE = 10_000  # bytes


def remember(store: Store, title: str) -> None:
    """Write down that a space with this title has results in the folder."""
    store.folder(FOLDER).put(_name(title), title.encode())


def other_titles(store: Store, title: str) -> list[str]:
    """The titles that are remembered where this one is not yet; [] where it is, or none is."""
    folder = store.folder(FOLDER)
    names = folder.files()
    if _name(title) in names:
        return []
    return sorted(folder.read(name, LARGEST_FILE).decode(errors="replace") for name in names)


def _name(title: str) -> str:
    """One file for each title, so that two runs at once cannot lose one."""
    return f"{hashlib.sha256(title.encode()).hexdigest()[:16]}.txt"

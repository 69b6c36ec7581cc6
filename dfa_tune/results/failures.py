"""Which trials of a sweep failed, and why, for other commands to show. The next run tries them again."""

from __future__ import annotations

import json
from collections.abc import Collection

from pydantic import BaseModel, ConfigDict

from dfa_tune.results.store import Store

FOLDER = "failures"
LONGEST_CAUSE, LONGEST_TRACEBACK = 500, 20_000  # characters
LARGEST_FILE = 1_000_000  # bytes


class Failure(BaseModel):
    """Why the trials of a pack failed: the cause in one line, and the traceback, "" if there was none."""

    model_config = ConfigDict(frozen=True)

    trials: tuple[str, ...]
    cause: str
    traceback: str = ""


def record(store: Store, pack_id: str, trial_ids: Collection[str], cause: str, traceback: str = "") -> None:
    """Write down that the trials of a pack failed. A long cause loses its end, a long traceback its start."""
    cause, traceback = _utf_8(" ".join(cause.split())), _utf_8(traceback)
    if len(traceback) > LONGEST_TRACEBACK:
        traceback = "...\n" + traceback[-LONGEST_TRACEBACK:]
    content = {"trials": sorted(trial_ids), "cause": cause[:LONGEST_CAUSE], "traceback": traceback}
    store.folder(FOLDER).put(f"{pack_id}.json", json.dumps(content).encode())


def clear(store: Store) -> None:
    """Forget all failures, as a run does at its start."""
    folder = store.folder(FOLDER)
    for name in folder.files():
        folder.remove(name)


def failures(store: Store) -> dict[str, Failure]:
    """The failure of each failed trial, by trial id. Files that are not failures are passed over."""
    folder = store.folder(FOLDER)
    found: dict[str, Failure] = {}
    for name in folder.files():
        try:
            failure = parse(folder.read(name, LARGEST_FILE))
        except FileNotFoundError:
            continue
        if failure is None:
            continue
        # The file may be anybody's, and its text is printed
        shown = failure.model_copy(
            update={
                "cause": " ".join(_printable(failure.cause).split()),
                "traceback": _printable(failure.traceback),
            }
        )
        found |= dict.fromkeys(failure.trials, shown)
    return found


def parse(content: bytes) -> Failure | None:
    """The failure that a file holds; None if it is not a failure."""
    try:
        return Failure.model_validate_json(content, strict=True)
    except ValueError:
        return None


def _utf_8(text: str) -> str:
    """The text with escapes for what UTF-8 cannot hold, such as undecodable bytes of a file's name."""
    return text.encode(errors="backslashreplace").decode()


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable() or c in "\n\t")

"""Trials that failed, for other terminals to see; the next run tries them again."""

from __future__ import annotations

import json
from collections.abc import Collection

from dfa_tune.results.store import Store

FOLDER = "failures"


def record(store: Store, pack_id: str, trial_ids: Collection[str], cause: str) -> None:
    """Note that the pack's trials failed, and what their worker said."""
    content = json.dumps({"trials": sorted(trial_ids), "cause": cause})
    store.folder(FOLDER).put(f"{pack_id}.json", content.encode())


def clear(store: Store) -> None:
    """Forget all failures: a run begins, and tries them again."""
    folder = store.folder(FOLDER)
    for name in folder.files():
        folder.remove(name)


def failures(store: Store) -> dict[str, str]:
    """The cause of each failed trial's failure, by trial id."""
    found: dict[str, str] = {}
    folder = store.folder(FOLDER)
    for name in folder.files():
        try:
            content = json.loads(folder.read(name))
            found |= dict.fromkeys(content["trials"], content["cause"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            continue  # removed meanwhile, or not ours
    return found

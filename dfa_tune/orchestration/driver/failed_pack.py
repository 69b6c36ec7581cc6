"""Trials that could not be trained, and why."""

from __future__ import annotations

from dataclasses import dataclass

from dfa_tune.orchestration.packs.pack import Pack


@dataclass(frozen=True)
class FailedPack:
    """A pack that this run has given up. `cause` is one line, `traceback` a text or ""."""

    pack: Pack
    cause: str
    traceback: str = ""

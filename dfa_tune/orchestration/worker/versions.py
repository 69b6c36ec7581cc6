"""The versions that must be equal in every process that trains, so that they all compute the same numbers."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from dfa_tune.bundled import PACKAGE
from dfa_tune.results.provenance import source_digest

MISSING = "not installed"


def versions() -> dict[str, str]:
    """The versions of Python (major.minor, as Ray requires), Ray, torch and dfa_tune in this process."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "ray": _installed("ray"),
        "torch": _installed("torch"),
        "dfa_tune": f"{_installed('dfa-tune')} (code {code_digest()})",
    }


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """One text for each version that differs, naming both; empty where all are equal."""
    return [
        f"{name} {theirs.get(name, MISSING)} instead of {wanted}"
        for name, wanted in ours.items()
        if theirs.get(name, MISSING) != wanted
    ]


@cache
def code_digest() -> str:
    """12 hex characters that identify the package's code.

    The version does not: two states of a checkout have the same one.
    """
    # What is bundled, search spaces and figures, changes no trial's numbers
    return source_digest(PACKAGE, [p for p in PACKAGE.rglob("*.py") if "_bundled" not in p.parts])


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return MISSING

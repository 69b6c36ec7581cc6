"""Where the folders that come with the library are: in a checkout, or inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def bundled(folder: str) -> Path:
    """The folder that is called `folder` ("search_spaces") at the top of a checkout.

    A wheel carries it as `dfa_tune/_bundled/<folder>`, so that no generic top-level name lands in
    site-packages.
    """
    installed = PACKAGE / "_bundled" / folder
    return installed if installed.is_dir() else PACKAGE.parent / folder

"""The path of the folders that come with the library, in a checkout or an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def bundled(folder: str) -> Path:
    """The path of `folder` ("search_spaces"), which lies at the top of a checkout.

    A wheel has it as `dfa_tune/_bundled/<folder>`, so that site-packages gets no generic top-level name.
    """
    installed = PACKAGE / "_bundled" / folder
    return installed if installed.is_dir() else PACKAGE.parent / folder

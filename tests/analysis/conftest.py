"""What the tests of the analysis share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from dfa_tune.analysis import figure_modules


@pytest.fixture
def figure_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in place of the bundled `analysis/`, for the figure modules that a test writes."""
    folder = tmp_path / "figures of a test"
    folder.mkdir()
    monkeypatch.setattr(figure_modules, "bundled", lambda name: folder)
    before = _take_out()
    yield folder
    _take_out()
    sys.modules.update(before)


def _take_out() -> dict[str, ModuleType]:
    """Removes the figure modules from those that are loaded; returns them."""
    names = [name for name in sys.modules if name.partition(".")[0] == figure_modules.PACKAGE]
    return {name: sys.modules.pop(name) for name in names}

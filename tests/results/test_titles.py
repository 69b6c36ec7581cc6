"""A results folder remembers the titles of its spaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfa_tune.results.store import Store
from dfa_tune.results.titles import other_titles, remember


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, "mine")


def test_a_new_folder_has_no_titles(store: Store) -> None:
    assert other_titles(store, "Depth") == []


def test_another_title_is_told_of_those_that_were_there(store: Store) -> None:
    remember(store, "Depth")
    remember(store, "Breadth ±")
    assert other_titles(store, "Depth") == []
    assert other_titles(store, "Noise") == ["Breadth ±", "Depth"]
    remember(store, "Noise")
    assert other_titles(store, "Noise") == []


def test_a_folder_of_another_name_is_another(store: Store, tmp_path: Path) -> None:
    remember(store, "Depth")
    assert other_titles(Store(tmp_path, "other"), "Noise") == []


def test_a_file_that_is_no_text_is_no_error(store: Store, tmp_path: Path) -> None:
    remember(store, "Depth")
    next((tmp_path / "mine" / "titles").iterdir()).write_bytes(b"\xff\xfe")
    assert len(other_titles(store, "Noise")) == 1

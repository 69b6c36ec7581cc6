"""What tests in several folders use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets are where a test says, whatever this shell has in its environment."""
    monkeypatch.delenv("DFA_TUNE_DATA", raising=False)


MNIST_FOLDERS = [os.environ.get("DFA_TUNE_DATA", ""), str(ROOT.parent / "shared" / "data")]


@pytest.fixture
def mnist_folder() -> Path:
    """The folder with the real MNIST/raw; the test is skipped where there is none."""
    for folder in filter(None, MNIST_FOLDERS):
        if (Path(folder) / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
            return Path(folder)
    pytest.skip("the real MNIST is not on this machine; name its folder with DFA_TUNE_DATA")

"""A small data set in torchvision's layout, with images that can be told apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

# A busy machine is no failure
settings.register_profile("dfa_tune", deadline=None)
settings.load_profile("dfa_tune")

TRAIN, TEST = 36, 12  # images in the small data set


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """An IDX file: zero, zero, type 8 (bytes), rank, big-endian sizes, the bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


@pytest.fixture(scope="session")
def write_mnist() -> Callable[[Path], Path]:
    """Writes a small "mnist" below a folder: pixel [0, 0] is the image's number, test images from 100 on."""

    def write(folder: Path) -> Path:
        raw = folder / "MNIST" / "raw"
        raw.mkdir(parents=True)
        rng = np.random.default_rng(5)
        for prefix, count, first in (("train", TRAIN, 0), ("t10k", TEST, 100)):
            pixels = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
            pixels[:, 0, 0] = first + np.arange(count)
            digits = rng.integers(0, 10, count).astype(np.uint8)
            (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx_bytes(pixels))
            (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_bytes(digits))
        return folder

    return write


@pytest.fixture(scope="session")
def small_mnist(tmp_path_factory: pytest.TempPathFactory, write_mnist: Callable[[Path], Path]) -> Path:
    """The folder of a small "mnist" that no test changes."""
    return write_mnist(tmp_path_factory.mktemp("data"))


@pytest.fixture
def own_mnist(tmp_path: Path, write_mnist: Callable[[Path], Path]) -> Path:
    """The folder of a small "mnist" that the test may damage."""
    return write_mnist(tmp_path / "data")

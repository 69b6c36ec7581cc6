"""CIFAR-10 as torchvision has it: six pickled batches, read without executing anything in them.

A batch is a dictionary with `data`, (10000, 3072) bytes: the red, green and blue plane of each image, and
`labels`, a list. Unpickling a file can run any code that its author wrote into it. Here a file can name three
functions of NumPy only, and what stands for them builds nothing but an array of bytes.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfa_tune.errors import UserError
from dfa_tune.problems.images import Images

FOLDER = "cifar-10-batches-py"
TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILE = "test_batch"
SHAPE = (96, 32)  # the three planes below each other
LARGEST_FILE = 100_000_000  # bytes; a batch has 31 MB


def read_batches(paths: list[Path]) -> Images:
    """The images of these batches, one after another; raises UserError where a file is not such a batch."""
    parts = [_read(path) for path in paths]
    return Images(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    try:
        if (size := path.stat().st_size) > LARGEST_FILE:
            raise UserError(
                f"{path}: {size:,} bytes; valid: a batch of CIFAR-10, at most {LARGEST_FILE:,} bytes"
            )
        with path.open("rb") as file:
            content = _Unpickler(file, encoding="latin1").load()
        pixels = content["data"].array()
        labels = np.array([int(label) for label in content["labels"]])
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UserError:
        raise
    except Exception as error:  # whatever a damaged pickle may lead to
        raise UserError(
            f"{path}: truncated, or not a batch of CIFAR-10 ({type(error).__name__}: {error});"
            " download it again"
        ) from error
    if pixels.size != len(labels) * 3072 or not len(labels):
        raise UserError(
            f"{path}: {pixels.size:,} bytes of pixels and {len(labels):,} labels; valid: 3072 for each label"
        )
    if labels.min() < 0 or labels.max() > 9:
        raise UserError(f"{path}: labels from {labels.min()} to {labels.max()}; valid: 0 to 9")
    return pixels.reshape(-1, *SHAPE), labels.astype(np.uint8)


class _Array:
    """Stands for a NumPy array in a pickle: keeps its bytes."""

    def __init__(self, *_: object) -> None:
        self._content = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, _, dtype, fortran, content = state
        if dtype.name != "u1" or fortran:
            raise ValueError(f"an array of type {dtype.name!r}")
        self._content = content.encode("latin1") if isinstance(content, str) else bytes(content)

    def array(self) -> NDArray[np.uint8]:
        """The bytes, flat."""
        return np.frombuffer(self._content, np.uint8)


class _Dtype:
    """Stands for a NumPy type in a pickle: keeps its name."""

    def __init__(self, name: str = "", *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        pass


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How Python 3 writes bytes into an old pickle."""
    return text.encode("latin1")


STANDS_FOR = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STANDS_FOR:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return STANDS_FOR[module, name]

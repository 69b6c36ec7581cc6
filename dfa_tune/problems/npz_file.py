"""Data of one's own: an `.npz` file with the arrays x_train, y_train, x_test and y_test.

x: numbers of any shape after the first axis; y: labels, whole numbers from 0 to C - 1.
"""

from __future__ import annotations

import math
import os
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dfa_tune.errors import UserError
from dfa_tune.problems.images import Images

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
MEMORY_SHARE = 0.5  # of the machine's memory, which the arrays may take at most
NO_SUCH_NUMBER = 16 * 2**30  # bytes assumed where the machine does not say how much memory it has


@dataclass(frozen=True)
class Stamp:
    """Tells whether a file is still the same one."""

    size: int
    changed: int


@dataclass(frozen=True)
class Facts:
    """What is known without the values of x; `shape`: rows and columns of an image."""

    train: int
    test: int
    shape: tuple[int, int]
    classes: int


def read_facts(path: Path) -> Facts:
    """The facts of a file; raises UserError where it is not valid as far as shapes and labels tell."""
    return _facts(path, _stamp(path))


def read_npz(path: Path) -> tuple[Images, Images]:
    """The training and the test images; uint8 stays, other numbers become float32.

    Raises UserError where the file or a value in it is not valid.
    """
    return _images(path, _stamp(path))


def _stamp(path: Path) -> Stamp:
    try:
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; valid: the path of an .npz file")
        status = path.stat()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return Stamp(status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _facts(path: Path, stamp: Stamp) -> Facts:
    shapes, dtypes = _headers(path)
    for name in ("x_train", "x_test"):
        if len(shapes[name]) < 2 or 0 in shapes[name]:
            raise UserError(
                f"{path}: {name} has the shape {shapes[name]}; valid: (images, ...), none of them empty"
            )
        if dtypes[name].kind not in "uifb":
            raise UserError(f"{path}: {name} is an array of {dtypes[name]}; valid: real numbers")
    if shapes["x_train"][1:] != shapes["x_test"][1:]:
        raise UserError(
            f"{path}: x_train has images of shape {shapes['x_train'][1:]}, x_test of {shapes['x_test'][1:]};"
            " valid: the same shape"
        )
    for part in ("train", "test"):
        labels, images = shapes[f"y_{part}"], shapes[f"x_{part}"][0]
        if labels != (images,):
            raise UserError(f"{path}: y_{part} has the shape {labels}; valid: ({images},), as x_{part} has")
        if dtypes[f"y_{part}"].kind not in "iub":
            raise UserError(f"{path}: y_{part} is an array of {dtypes[f'y_{part}']}; valid: integers")
    _, *image = shapes["x_train"]
    rows = image[0] if len(image) > 1 else 1
    classes = _classes(path, *_arrays(path, ("y_train", "y_test")))
    return Facts(shapes["x_train"][0], shapes["x_test"][0], (rows, math.prod(image) // rows), classes)


def _headers(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, np.dtype[Any]]]:
    """Shape and type of each array, from the beginnings of the archive's files; checks their size."""
    shapes, dtypes = {}, {}
    with _Archive(path) as archive:
        names = set(archive.namelist())
        for name in ARRAYS:
            if f"{name}.npy" not in names:
                found = ", ".join(sorted(n.removesuffix(".npy") for n in names)) or "nothing"
                raise UserError(f"{path}: there is no array {name} ({found}); valid: {', '.join(ARRAYS)}")
            with archive.open(f"{name}.npy") as file:
                shapes[name], dtypes[name] = _header(file)
    wanted = sum(math.prod(shapes[n]) * max(dtypes[n].itemsize, 4) for n in ARRAYS)
    if wanted > (limit := int(MEMORY_SHARE * _memory())):
        raise UserError(
            f"{path}: its arrays take {wanted:,} bytes; valid: at most {limit:,}, half of the memory"
        )
    return shapes, dtypes


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _classes(path: Path, train: NDArray[Any], test: NDArray[Any]) -> int:
    present = np.unique(train).tolist()
    if present[0] < 0:
        raise UserError(f"{path}: y_train has the label {present[0]}; valid: 0 to C - 1 for C classes")
    if missing := set(range(len(present))) - set(present):
        raise UserError(
            f"{path}: the labels of y_train go up to {present[-1]}, but none is {min(missing)};"
            " valid: each of 0 to C - 1 for C classes"
        )
    if len(present) < 2:
        raise UserError(f"{path}: all labels of y_train are 0; valid: at least two classes")
    if test.min() < 0 or test.max() >= len(present):
        wrong = test.min() if test.min() < 0 else test.max()
        raise UserError(
            f"{path}: y_test has the label {wrong}; valid: 0 to {len(present) - 1}, as y_train has"
        )
    return len(present)


@lru_cache(maxsize=2)
def _images(path: Path, stamp: Stamp) -> tuple[Images, Images]:
    facts = _facts(path, stamp)
    arrays = dict(zip(ARRAYS, _arrays(path, ARRAYS), strict=True))
    pixels = {name: _numbers(path, name, arrays[name]) for name in ("x_train", "x_test")}
    if pixels["x_train"].min() == pixels["x_train"].max():
        raise UserError(f"{path}: all numbers of x_train are the same; valid: numbers that differ")
    train, test = (
        Images(pixels[f"x_{part}"].reshape(-1, *facts.shape), arrays[f"y_{part}"].astype(np.int64))
        for part in ("train", "test")
    )
    return train, test


def _numbers(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(numbers).all():
        place = tuple(int(n) for n in np.argwhere(~np.isfinite(numbers))[0])
        raise UserError(f"{path}: {name}{list(place)} is {array[place]}; valid: finite numbers (in float32)")
    return numbers


def _arrays(path: Path, names: tuple[str, ...]) -> list[NDArray[Any]]:
    """The arrays, whose headers have been checked."""
    with _Archive(path) as archive:
        arrays = []
        for name in names:
            with archive.open(f"{name}.npy") as file:
                arrays.append(np.lib.format.read_array(file, allow_pickle=False))
        return arrays


class _Archive(zipfile.ZipFile):
    """A zip file whose defects, found on opening it or while reading, are UserErrors that name it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            super().__init__(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: cannot be read as an .npz file ({error})") from error

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        error = raised[1]
        if isinstance(error, Exception) and not isinstance(error, UserError):
            raise UserError(f"{self._path}: damaged, or not an .npz file ({error})") from error


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return NO_SUCH_NUMBER

"""The IDX format of MNIST and its relatives: one file of images, one of labels."""

from __future__ import annotations

import math
import mmap
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfa_tune.errors import UserError
from dfa_tune.problems.images import Images


def read_pair(images_file: Path, labels_file: Path, shape: tuple[int, int]) -> Images:
    """The images of one file, which must have this shape, with the labels (0 to 9) of the other.

    Raises UserError where the files are not what their names say, or do not belong together.
    """
    pixels, labels = read_idx(images_file, rank=3), read_idx(labels_file, rank=1)
    if pixels.shape[1:] != shape:
        raise UserError(f"{images_file}: its images have the shape {pixels.shape[1:]}; valid: {shape}")
    if len(pixels) != len(labels):
        raise UserError(
            f"{images_file} has {len(pixels)} images but {labels_file} has {len(labels)} labels;"
            f" both must come from one data set"
        )
    if len(labels) == 0 or labels.max() > 9:
        found = labels.max() if len(labels) else "no label at all"
        raise UserError(f"{labels_file}: found {found}; valid labels are the digits 0 to 9")
    return Images(pixels, labels)


def read_idx(path: Path, rank: int) -> NDArray[np.uint8]:
    """The uint8 array of an IDX file (a big-endian header, then the bytes): the mapped file, read-only.

    All processes of a machine share one copy of a mapped file. Raises UserError where the file is not an IDX
    file of bytes with `rank` dimensions, or its length is not what its header says.
    """
    header = 4 + 4 * rank
    try:
        with path.open("rb") as file:
            begin, length = file.read(header), os.fstat(file.fileno()).st_size
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if length > header else b""
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if len(begin) < header or begin[:3] != b"\x00\x00\x08" or begin[3] != rank:
        raise UserError(
            f"{path}: not an IDX file of bytes with {rank} dimension{'s' if rank > 1 else ''}"
            f" (it begins with {begin[:4].hex() or 'nothing'}; valid: 0000080{rank}); download it again"
        )
    shape = tuple(int(n) for n in np.frombuffer(begin, ">u4", rank, offset=4))
    if math.prod(shape) != length - header:
        raise UserError(
            f"{path}: truncated or corrupt: its header promises {math.prod(shape):,} bytes of data for shape"
            f" {shape}, it has {length - header:,}; download it again"
        )
    if not content:
        return np.empty(shape, np.uint8)
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)

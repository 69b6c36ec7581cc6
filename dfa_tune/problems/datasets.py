"""The data sets that parity is made of: digit-like images as uint8 arrays, and where they are.

`digits` comes with scikit-learn and needs no download. The others lie in torchvision's layout,
`<data>/MNIST/raw/train-images-idx3-ubyte` and so on; torchvision downloads them on first use, and
the IDX files are read here, so that nothing but a download needs torch.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfa_tune.errors import UserError

DATA_VARIABLE = "DFA_TUNE_DATA"


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set's place in torchvision, and how many images it has."""

    folder: str | None  # torchvision's class and folder name; None: embedded
    train: int
    test: int


# digits: scikit-learn has no split of its own; four fifths are for training
DATASETS = {
    "digits": DataSet(folder=None, train=1437, test=360),
    "mnist": DataSet(folder="MNIST", train=60_000, test=10_000),
    "fashion-mnist": DataSet(folder="FashionMNIST", train=60_000, test=10_000),
    "kmnist": DataSet(folder="KMNIST", train=60_000, test=10_000),
}
DIGITS_DIGEST = "47feec1550db077e"  # of the arrays that load_images("digits") gives; checked when it does
SPLIT_SEED = 20210401  # fixed for good: another split would be another data set


@dataclass(frozen=True)
class Images:
    """Images (N, height, width), uint8, and their digits (N,), uint8 from 0 to 9."""

    pixels: NDArray[np.uint8]
    digits: NDArray[np.uint8]


def data_folder(data: str | Path | None = None) -> Path:
    """Where the data sets lie: `data`, else the environment's DFA_TUNE_DATA, else the user's cache."""
    named = data or os.environ.get(DATA_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("dfa_tune") / "data"


def raw_files(name: str, folder: Path) -> dict[str, Path]:
    """The four IDX files of a downloaded data set, by what is in them."""
    raw = folder / str(DATASETS[name].folder) / "raw"
    return {
        f"{part} {content}": raw / f"{prefix}-{content}-idx{rank}-ubyte"
        for part, prefix in (("train", "train"), ("test", "t10k"))
        for content, rank in (("images", 3), ("labels", 1))
    }


def missing_files(name: str, folder: Path) -> list[Path]:
    """The files of data set `name` that are not in `folder`; none for an embedded one."""
    if DATASETS[name].folder is None:
        return []
    return [path for path in raw_files(name, folder).values() if not path.is_file()]


def load_images(name: str, data: str | Path | None = None) -> tuple[Images, Images]:
    """The training and the test images of a data set.

    Raises UserError where files are missing, truncated or not what their names say.
    """
    return _load(name, None if DATASETS[name].folder is None else data_folder(data).resolve())


@lru_cache(maxsize=2)
def _load(name: str, folder: Path | None) -> tuple[Images, Images]:
    if folder is None:
        return _load_digits()
    if missing := missing_files(name, folder):
        raise UserError(f"data set {name!r}: {missing[0]} is missing. {how_to_get(name, folder)}")
    files = raw_files(name, folder)
    return (
        _pair(files["train images"], files["train labels"]),
        _pair(files["test images"], files["test labels"]),
    )


def content_digest(name: str, data: str | Path | None = None) -> str | None:
    """16 hex characters that identify the images and labels; None where they are not on this machine."""
    if DATASETS[name].folder is None:
        return DIGITS_DIGEST
    if missing_files(name, data_folder(data)):
        return None
    return digest(*load_images(name, data))


def digest(*parts: Images) -> str:
    """A hash of the arrays' shapes and contents."""
    sha = hashlib.sha256()
    for images in parts:
        for array in (images.pixels, images.digits):
            sha.update(repr((array.shape, array.dtype.str)).encode())
            sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()[:16]


def how_to_get(name: str, folder: Path) -> str:
    """What to tell someone whose machine lacks the files."""
    names = ", ".join(path.name for path in raw_files(name, folder).values())
    raw = folder / str(DATASETS[name].folder) / "raw"
    return (
        f"Put {names} (unpacked, as torchvision's {DATASETS[name].folder} has them) into {raw}, or name the"
        f" folder that has {DATASETS[name].folder}/raw with --data or {DATA_VARIABLE};"
        f" or use 'digits', which needs no download."
    )


def _load_digits() -> tuple[Images, Images]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels, digits = bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)
    order = np.random.Generator(np.random.PCG64(SPLIT_SEED)).permutation(len(digits))
    cut = DATASETS["digits"].train
    train, test = (Images(pixels[part], digits[part]) for part in (order[:cut], order[cut:]))
    if digest(train, test) != DIGITS_DIGEST:
        raise UserError(
            "data set 'digits': this scikit-learn or NumPy gives other images, or another order of them,"
            " than the results are made with; install the versions in constraints.txt"
        )
    return train, test


def _pair(images_file: Path, labels_file: Path) -> Images:
    pixels, digits = read_idx(images_file, rank=3), read_idx(labels_file, rank=1)
    if len(pixels) != len(digits):
        raise UserError(
            f"{images_file} has {len(pixels)} images but {labels_file} has {len(digits)} labels;"
            f" both must come from one data set"
        )
    if len(digits) == 0 or digits.max() > 9:
        found = digits.max() if len(digits) else "no label at all"
        raise UserError(f"{labels_file}: found {found}; valid labels are the digits 0 to 9")
    return Images(pixels, digits)


def read_idx(path: Path, rank: int) -> NDArray[np.uint8]:
    """The uint8 array of an IDX file (a big-endian header, then the bytes).

    Raises UserError where the file is no IDX file of bytes with `rank` dimensions, or its length is
    not what its header says.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    header = 4 + 4 * rank
    if len(content) < header or content[:3] != b"\x00\x00\x08" or content[3] != rank:
        raise UserError(
            f"{path}: not an IDX file of bytes with {rank} dimension{'s' if rank > 1 else ''}"
            f" (it begins with {content[:4].hex() or 'nothing'}; valid: 0000080{rank}); download it again"
        )
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", rank, offset=4))
    if math.prod(shape) != len(content) - header:
        raise UserError(
            f"{path}: truncated or corrupt: its header promises {math.prod(shape):,} bytes of data for shape"
            f" {shape}, it has {len(content) - header:,}; download it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)

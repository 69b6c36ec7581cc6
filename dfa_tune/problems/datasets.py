"""The data sets of images, where their files are, and their content as uint8 arrays.

`digits` comes with scikit-learn and needs no download. The others have torchvision's layout,
`<data>/MNIST/raw/train-images-idx3-ubyte` and so on, and torchvision downloads them on first use. The files
are read here, so that only a download needs torch.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfa_tune.errors import UserError

DATA_VARIABLE = "DFA_TUNE_DATA"


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set's place in torchvision, how many images it has, and their shape in pixels."""

    folder: str | None  # torchvision's class and folder name; None: embedded
    train: int
    test: int
    shape: tuple[int, int] = (28, 28)


# scikit-learn does not split its digits; here four fifths are for training
DATASETS = {
    "digits": DataSet(folder=None, train=1437, test=360, shape=(8, 8)),
    "mnist": DataSet(folder="MNIST", train=60_000, test=10_000),
    "fashion-mnist": DataSet(folder="FashionMNIST", train=60_000, test=10_000),
    "kmnist": DataSet(folder="KMNIST", train=60_000, test=10_000),
}
DIGITS_DIGEST = "47feec1550db077e"  # of the arrays of load_images("digits"), which checks it
SPLIT_SEED = 20210401  # never changed: another split would be another data set


@dataclass(frozen=True)
class Images:
    """Images (N, height, width), uint8, and their digits (N,), uint8 from 0 to 9."""

    pixels: NDArray[np.uint8]
    digits: NDArray[np.uint8]


def data_folder(data: str | Path | None = None) -> Path:
    """Where the data sets are: `data`, else the environment variable DFA_TUNE_DATA, else the user's cache.

    Raises UserError where that is in a home folder that does not exist.
    """
    named = data or os.environ.get(DATA_VARIABLE)
    from platformdirs import user_cache_path

    try:
        return Path(named).expanduser() if named else user_cache_path("dfa_tune") / "data"
    except RuntimeError:
        raise UserError(
            f"{named or 'the cache of the user'}: there is no such home folder; name the folder of the data"
            f" sets with --data or {DATA_VARIABLE}"
        ) from None


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
    files, shape = raw_files(name, folder), DATASETS[name].shape
    return (
        _pair(files["train images"], files["train labels"], shape),
        _pair(files["test images"], files["test labels"], shape),
    )


def content_digest(name: str, data: str | Path | None = None) -> str | None:
    """16 hex characters that identify the images and labels; None where they are not on this machine."""
    if DATASETS[name].folder is None:
        return DIGITS_DIGEST
    if missing_files(name, data_folder(data)):
        return None
    return digest(*load_images(name, data))


def check_digest(name: str, data: str | Path | None, expected: str | None) -> None:
    """Raises UserError where the images of data set `name` that are here are not those of digest `expected`.

    For a worker, before it trains: files may have been replaced since its trial was planned, or differ on its
    machine. What `load_images` gives is hashed, which is what is trained on. `expected` None: any images do.
    """
    if expected is None:
        return
    if (found := digest(*load_images(name, data))) != expected:
        raise UserError(
            f"data set {name!r} in {data_folder(data)}: its content has the digest {found}, not {expected},"
            f" which the trial was planned with; put the files back, or start the run again"
        )


def digest(*parts: Images) -> str:
    """A hash of the arrays' shapes and contents."""
    sha = hashlib.sha256()
    for images in parts:
        for array in (images.pixels, images.digits):
            sha.update(repr((array.shape, array.dtype.str)).encode())
            sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()[:16]


def how_to_get(name: str, folder: Path) -> str:
    """How to get the files of a data set that this machine lacks, for a message."""
    names = ", ".join(path.name for path in raw_files(name, folder).values())
    raw = folder / str(DATASETS[name].folder) / "raw"
    return (
        f"Put {names} (unpacked, as torchvision's {DATASETS[name].folder} has them) into {raw}, or name the"
        f" folder that has {DATASETS[name].folder}/raw with --data or {DATA_VARIABLE};"
        f" or use 'digits', which needs no download."
    )


def _load_digits() -> tuple[Images, Images]:
    pixels, digits = _digits_table()
    order = np.random.Generator(np.random.PCG64(SPLIT_SEED)).permutation(len(digits))
    cut = DATASETS["digits"].train
    train, test = (Images(pixels[part], digits[part]) for part in (order[:cut], order[cut:]))
    if digest(train, test) != DIGITS_DIGEST:
        raise UserError(
            "data set 'digits': this scikit-learn or NumPy gives other images, or another order of them,"
            " than the results are made with; install the versions in constraints.txt"
        )
    return train, test


def _digits_table() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pixels (1797, 8, 8) and digits (1797,), from scikit-learn's own file where it is found.

    Importing scikit-learn instead would cost every worker two seconds and 90 MB. The digest tells if the file
    has changed.
    """
    package = find_spec("sklearn")
    for folder in package.submodule_search_locations or () if package is not None else ():
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            table = np.loadtxt(path, delimiter=",").astype(np.uint8)
            return table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)


def _pair(images_file: Path, labels_file: Path, shape: tuple[int, int]) -> Images:
    """The images of one file, which must have this shape, with the labels of the other."""
    pixels, digits = read_idx(images_file, rank=3), read_idx(labels_file, rank=1)
    if pixels.shape[1:] != shape:
        raise UserError(f"{images_file}: its images have the shape {pixels.shape[1:]}; valid: {shape}")
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


def moments(pixels: NDArray[np.uint8], positions: NDArray[np.int64]) -> tuple[float, float]:
    """Mean and standard deviation of the pixels of the images at `positions`, from exact sums.

    A thousand images at a time: NumPy's own functions would convert all of them to 64-bit numbers at once.
    """
    counts = np.zeros(256, np.int64)
    for start in range(0, len(positions), 1024):
        counts += np.bincount(pixels[positions[start : start + 1024]].reshape(-1), minlength=256)
    value, count = np.arange(256), int(counts.sum())
    total, squares = int(counts @ value), int(counts @ value**2)
    return total / count, math.sqrt(squares * count - total**2) / count

"""The data sets of images: their names, where their files are, and loading them.

`digits` comes with scikit-learn and needs no download. The others have torchvision's layout,
`<data>/MNIST/raw/train-images-idx3-ubyte` and so on, and torchvision downloads them on first use. The files
are read here, so that only a download needs torch. A data set of one's own is the path of an `.npz` file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dfa_tune.errors import UserError, did_you_mean
from dfa_tune.problems import cifar_files, digits
from dfa_tune.problems.idx_file import read_pair
from dfa_tune.problems.images import Images, digest
from dfa_tune.problems.npz_file import read_facts, read_npz

DATA_VARIABLE = "DFA_TUNE_DATA"
NPZ = ".npz"


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """What is known of a data set without its pixels.

    `folder`: torchvision's class, whose name most of its folders have; None: it is not torchvision's.
    `shape`: rows and columns of an image; several colours or more axes are rows below each other.
    """

    folder: str | None
    train: int
    test: int
    shape: tuple[int, int] = (28, 28)
    classes: int = 10


DATASETS = {
    "digits": DataSet(folder=None, train=digits.TRAIN, test=digits.TEST, shape=(8, 8)),
    "mnist": DataSet(folder="MNIST", train=60_000, test=10_000),
    "fashion-mnist": DataSet(folder="FashionMNIST", train=60_000, test=10_000),
    "kmnist": DataSet(folder="KMNIST", train=60_000, test=10_000),
    "cifar10": DataSet(folder="CIFAR10", train=50_000, test=10_000, shape=cifar_files.SHAPE),
}


def unknown(name: str) -> str:
    """The message for a name that is neither a data set nor the path of an .npz file."""
    names = list(DATASETS)
    valid = f"{', '.join(names)}, or the path of an {NPZ} file"
    return f"unknown data set {name!r}; valid: {valid}.{did_you_mean(name, names)}"


def about(name: str) -> DataSet:
    """What is known of a data set; an .npz file is read for it, and raises UserError if it is not valid."""
    if not name.endswith(NPZ):
        return DATASETS[name]
    facts = read_facts(Path(name))
    return DataSet(folder=None, train=facts.train, test=facts.test, shape=facts.shape, classes=facts.classes)


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
    """The files of a data set in torchvision's layout, by what is in them."""
    if name == "cifar10":
        names = (*cifar_files.TRAIN_FILES, cifar_files.TEST_FILE)
        return {file: folder / cifar_files.FOLDER / file for file in names}
    raw = folder / str(DATASETS[name].folder) / "raw"
    return {
        f"{part} {content}": raw / f"{prefix}-{content}-idx{rank}-ubyte"
        for part, prefix in (("train", "train"), ("test", "t10k"))
        for content, rank in (("images", 3), ("labels", 1))
    }


def missing_files(name: str, folder: Path) -> list[Path]:
    """The files of data set `name` that are not there; relative ones are looked for in `folder`."""
    if name.endswith(NPZ):
        files = [Path(name)]
    else:
        files = list(raw_files(name, folder).values()) if DATASETS[name].folder is not None else []
    return [path for path in files if not os.path.isfile(path)]  # noqa: PTH113 (a folder may be unreadable)


def load_images(name: str, data: str | Path | None = None) -> tuple[Images, Images]:
    """The training and the test images of a data set.

    Raises UserError where files are missing, truncated or not what their names say.
    """
    if name.endswith(NPZ):
        return read_npz(Path(name))
    return _load(name, None if DATASETS[name].folder is None else data_folder(data).resolve())


@lru_cache(maxsize=2)
def _load(name: str, folder: Path | None) -> tuple[Images, Images]:
    if folder is None:
        return digits.load_digits()
    if missing := missing_files(name, folder):
        raise UserError(f"data set {name!r}: {missing[0]} is missing. {how_to_get(name, folder)}")
    files, shape = raw_files(name, folder), DATASETS[name].shape
    if name == "cifar10":
        train = cifar_files.read_batches([files[file] for file in cifar_files.TRAIN_FILES])
        return train, cifar_files.read_batches([files[cifar_files.TEST_FILE]])
    return (
        read_pair(files["train images"], files["train labels"], shape),
        read_pair(files["test images"], files["test labels"], shape),
    )


def content_digest(name: str, data: str | Path | None = None) -> str | None:
    """16 hex characters that identify the images and labels; None where they are not on this machine."""
    if name == "digits":
        return digits.DIGEST
    if missing_files(name, data_folder(data)):
        return None
    return digest(*load_images(name, data))


def check_digest(name: str, data: str | Path | None, expected: str | None) -> None:
    """Raises UserError where the images of data set `name` that are here are not those of digest `expected`.

    For a worker, before it trains: files may have been replaced since its trial was planned, or differ on its
    machine. What `load_images` gives is hashed, which is what is trained on. `expected` None: any images do.
    """
    if expected is not None and (found := digest(*load_images(name, data))) != expected:
        where = "" if name.endswith(NPZ) else f" in {data_folder(data)}"
        raise UserError(
            f"data set {name!r}{where}: its content has the digest {found}, not {expected}, which the trial"
            " was planned with; put the files back, or start the run again"
        )


def how_to_get(name: str, folder: Path) -> str:
    """How to get the files of a data set that this machine lacks, for a message."""
    if name.endswith(NPZ):
        return "Give the path of a file that every machine has at the same place."
    files = list(raw_files(name, folder).values())
    below, kind = files[0].parent, DATASETS[name].folder
    return (
        f"Put {', '.join(path.name for path in files)} (unpacked, as torchvision's {kind} has them) into"
        f" {below}, or name the folder that has {below.relative_to(folder)} with --data or {DATA_VARIABLE};"
        f" or use 'digits', which needs no download."
    )

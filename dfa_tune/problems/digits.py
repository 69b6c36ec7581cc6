"""scikit-learn's 8 x 8 digits, which need no download, split once into training and test images."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfa_tune.errors import UserError
from dfa_tune.problems.images import Images, digest

TRAIN, TEST = 1437, 360  # scikit-learn does not split them; here four fifths are for training
DIGEST = "47feec1550db077e"  # of what `load_digits` gives, which checks it
SPLIT_SEED = 20210401  # never changed: another split would be another data set


def load_digits() -> tuple[Images, Images]:
    """The training and the test images; raises UserError where they are not those of DIGEST."""
    pixels, labels = _table()
    order = np.random.Generator(np.random.PCG64(SPLIT_SEED)).permutation(len(labels))
    train, test = (Images(pixels[part], labels[part]) for part in (order[:TRAIN], order[TRAIN:]))
    if digest(train, test) != DIGEST:
        raise UserError(
            "data set 'digits': this scikit-learn or NumPy gives other images, or another order of them,"
            " than the results are made with; install the versions in constraints.txt"
        )
    return train, test


def _table() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pixels (1797, 8, 8) and labels (1797,), from scikit-learn's own file where it is found.

    Importing scikit-learn instead would cost every worker two seconds and 90 MB. The digest tells if the file
    has changed.
    """
    package = find_spec("sklearn")
    for folder in package.submodule_search_locations or () if package is not None else ():
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            table = np.loadtxt(path, delimiter=",").astype(np.uint8)
            return table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    from sklearn.datasets import load_digits as sklearn_digits

    bunch = sklearn_digits()
    return bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)

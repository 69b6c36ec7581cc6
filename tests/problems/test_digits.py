"""scikit-learn's digits: the same images, split once, and known by their digest."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from sklearn.datasets import load_digits

from dfa_tune.problems.datasets import DATASETS, content_digest, load_images
from dfa_tune.problems.digits import DIGEST
from dfa_tune.problems.images import digest


def test_digits_are_scikit_learns_images_each_in_training_or_in_test() -> None:
    train, test = load_images("digits")
    assert (len(train.labels), len(test.labels)) == (DATASETS["digits"].train, DATASETS["digits"].test)
    bunch = load_digits()

    def rows(pixels: np.ndarray, digits: np.ndarray) -> list[tuple[int, ...]]:
        return sorted((*map(int, p.ravel()), int(d)) for p, d in zip(pixels, digits, strict=True))

    found = rows(np.concatenate([train.pixels, test.pixels]), np.concatenate([train.labels, test.labels]))
    assert found == rows(bunch.images, bunch.target)
    assert train.pixels.dtype == train.labels.dtype == np.uint8


def test_the_digest_of_digits_is_that_of_its_arrays() -> None:
    assert digest(*load_images("digits")) == DIGEST == content_digest("digits")


def test_digits_do_not_import_scikit_learn() -> None:
    code = "import sys; from dfa_tune.problems.datasets import load_images as load; load('digits');"
    subprocess.run([sys.executable, "-c", code + "assert 'sklearn' not in sys.modules"], check=True)

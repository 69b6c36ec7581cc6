"""How a network that learnt the parity of k digits represents a single one (thesis chapter 5).

Shapes: N images of `pixels` values each, H hidden units, k digits in a tuple.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfa_tune.problems.streams import generator

Floats = NDArray[np.float32]


def blocks(weight: Floats, k: int, shape: tuple[int, int]) -> Floats:
    """Each digit's own rows of the first layer: (k, pixels, H) from its weights (k * pixels, H).

    A tuple of k images of `shape` (rows, columns) is flattened row by row, so that digit j owns the
    columns j * columns to (j + 1) * columns of every row.
    """
    rows, columns = shape
    apart = weight.reshape(rows, k, columns, -1)
    return np.ascontiguousarray(apart.transpose(1, 0, 2, 3).reshape(k, rows * columns, -1))


def initial_weight(seed: int, inputs: int, hidden: int) -> Floats:
    """The first layer (inputs, hidden) that training under `seed` starts from: U(-1, 1) / sqrt(inputs)."""
    bound = 1 / np.sqrt(inputs)
    drawn = generator(seed, "weights", 0, 0).uniform(-bound, bound, (inputs, hidden))
    return drawn.astype(np.float32)


def represent(images: Floats, weight: Floats) -> Floats:
    """The hidden layer before its ReLU, of single digits: tuples (N, k, pixels) by blocks (k, pixels, H).

    Returns (N, k, H): each image times the block of the position that it has in its tuple.
    """
    products = [images[:, position] @ block for position, block in enumerate(weight)]
    return np.stack(products, axis=1)


def probe(
    train: Floats, train_digits: NDArray[Any], test: Floats, test_digits: NDArray[Any], penalty: float = 100.0
) -> float:
    """How often a linear classifier reads the digit from a representation: accuracy on the test images.

    `train` (N, F) and `test` (M, F) are standardised by the training images. The classifier is
    one-against-all ridge regression with `penalty` on the squared weights: it has a closed form, and so
    neither a seed nor a step size.
    """
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=penalty))
    model.fit(train, train_digits)
    return float(model.score(test, test_digits))


def probe_positions(
    train: Floats, train_digits: NDArray[Any], test: Floats, test_digits: NDArray[Any]
) -> float:
    """The mean over positions of `probe`, one probe each: representations (N, k, F), digits (N, k).

    Every position has its own weights, so a single probe would have to invert k different maps at once.
    """
    scores = [
        probe(train[:, at], train_digits[:, at], test[:, at], test_digits[:, at])
        for at in range(train.shape[1])
    ]
    return float(np.mean(scores))


def embed(representation: Floats, seed: int = 0) -> Floats:
    """t-SNE with scikit-learn's defaults: (N, H) to (N, 2). A minute for 7,500 images."""
    from sklearn.manifold import TSNE

    placed: Floats = TSNE(random_state=seed).fit_transform(representation).astype(np.float32)
    return placed

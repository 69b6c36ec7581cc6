"""The options and the data that all benchmarks share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.figures import REPEATS
from dfa_tune.problems.datasets import DATASETS, raw_files
from dfa_tune.problems.kinds.parity import Problem, Settings

DENSITY = 0.19  # of MNIST: the share of its pixels that are not zero


@dataclass(frozen=True, kw_only=True)
class Options:
    """`quick`: a tenth of the tuples and fewer trials, to see that everything works; not for quoting."""

    quick: bool = False
    repeats: int = REPEATS
    threads: int = 1  # what a pack gets by default
    data: Path | None = None  # folder that contains MNIST/raw; None: random images, as dense as MNIST's
    k: int = 3
    width: int = 512
    batch: int = 128

    @property
    def samples(self) -> int:
        """Tuples of a training epoch."""
        return 6_400 if self.quick else 60_000

    @property
    def tests(self) -> int:
        """Tuples of a test."""
        return 1_024 if self.quick else 10_000


@contextmanager
def parity(options: Options, **changes: int) -> Iterator[Problem]:
    """The parity problem of the thesis at its size; `changes` replace fields of its settings."""
    settings = Settings(
        dataset="mnist", k=options.k, train_samples=options.samples, test_samples=options.tests
    )
    with data_folder(options.data) as folder:
        yield Problem(settings.model_copy(update=changes), folder)


@contextmanager
def data_folder(given: Path | None) -> Iterator[Path]:
    """`given`, or a temporary folder with random images in place of MNIST, of which as much is zero."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), np.random.default_rng(0)
        for content, path in raw_files("mnist", folder).items():
            count = DATASETS["mnist"].train if content.startswith("train") else DATASETS["mnist"].test
            shape, top = ((count, 28, 28), 256) if content.endswith("images") else ((count,), 10)
            header = np.array([0x800 + len(shape), *shape], ">u4").tobytes()
            path.parent.mkdir(parents=True, exist_ok=True)
            values = rng.integers(0, top, shape, dtype=np.uint8)
            if content.endswith("images"):
                values[rng.random(shape, np.float32) > DENSITY] = 0
            path.write_bytes(header + values.tobytes())
        yield folder

"""What the problems that are made of a data set's images have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import field_validator

from dfa_tune.problems.datasets import DATASETS, NPZ, about, unknown
from dfa_tune.problems.settings import Count, ProblemSettings


class ImageSettings(ProblemSettings):
    """Fields of a problem of images.

    `dataset` may be the path of an .npz file, relative to the working folder; how many images it has, and of
    which shape, is then read from the file.
    """

    dataset: str = "mnist"
    train_samples: Count | None = None  # tuples in a training epoch; null: as many as training images
    test_samples: Count | None = None  # tuples in a test; null: as many as test images
    final_test_samples: Count | None = None  # tuples in the last epoch's test; null: as in the others

    @field_validator("dataset")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in DATASETS and not value.endswith(NPZ):
            raise ValueError(unknown(value))
        return value

    def resolved(self) -> Self:
        """The same problem with its sample counts written out, and an .npz file by its whole path."""
        found = about(self._file)
        return self.model_copy(
            update={
                "dataset": self._file,
                "train_samples": self.train_samples or found.train,
                "test_samples": self.test_samples or found.test,
            }
        )

    def id_content(self) -> dict[str, Any]:
        """As of every problem; where an .npz file lies does not count, since its digest does."""
        content = super().id_content()
        return content | ({"dataset": "npz"} if self.dataset.endswith(NPZ) else {})

    @property
    def samples(self) -> int:
        """Tuples in a training epoch."""
        return self.train_samples or about(self._file).train

    @property
    def inputs(self) -> int:
        """Pixels of a tuple."""
        rows, columns = about(self._file).shape
        return int(self.tuple_items * rows * columns)

    @property
    def items(self) -> int:
        """All images of the data set."""
        found = about(self._file)
        return found.train + found.test

    @property
    def _file(self) -> str:
        if not self.dataset.endswith(NPZ):
            return self.dataset
        return str(Path(self.dataset).expanduser().absolute())

"""Data sets by name: where their files are, what is loaded, and its digest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfa_tune.errors import UserError
from dfa_tune.problems.datasets import (
    _load,
    check_digest,
    content_digest,
    data_folder,
    load_images,
    missing_files,
)
from dfa_tune.problems.kinds.parity import Problem, Settings


def raw(folder: Path, name: str) -> Path:
    return folder / "MNIST" / "raw" / name


def test_the_data_folder_is_named_by_the_argument_then_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DFA_TUNE_DATA", str(tmp_path / "environment"))
    assert data_folder(tmp_path / "argument") == tmp_path / "argument"
    assert data_folder() == tmp_path / "environment"
    monkeypatch.delenv("DFA_TUNE_DATA")
    assert "dfa_tune" in str(data_folder())


def test_a_data_set_that_is_not_here_has_no_digest(tmp_path: Path, small_mnist: Path) -> None:
    assert content_digest("mnist", tmp_path) is None
    digested = content_digest("mnist", small_mnist)
    assert digested is not None
    assert len(digested) == 16


def test_a_missing_file_is_named_with_what_to_do(own_mnist: Path) -> None:
    path = raw(own_mnist, "t10k-labels-idx1-ubyte")
    path.unlink()
    assert missing_files("mnist", own_mnist) == [path]
    with pytest.raises(UserError) as caught:
        load_images("mnist", own_mnist)
    assert all(part in str(caught.value) for part in (str(path), "--data", "DFA_TUNE_DATA", "digits"))


def test_data_with_another_digest_than_expected_are_refused(own_mnist: Path) -> None:
    planned = content_digest("mnist", own_mnist)
    check_digest("mnist", own_mnist, planned)
    check_digest("mnist", own_mnist, None)
    labels = raw(own_mnist, "train-labels-idx1-ubyte")
    content = labels.read_bytes()
    changed = content[:-1] + bytes([(content[-1] + 1) % 10])
    labels.unlink()  # replaced, as a download or a copy does
    labels.write_bytes(changed)
    _load.cache_clear()  # as in another process
    with pytest.raises(UserError, match=f"not {planned}.*start the run again") as caught:
        check_digest("mnist", own_mnist, planned)
    assert str(own_mnist) in str(caught.value)


def test_the_digest_that_is_checked_is_of_what_is_trained_on(own_mnist: Path) -> None:
    """A file that is written over in place shows in the mapped images, and in their digest."""
    planned = content_digest("mnist", own_mnist)
    last = int(load_images("mnist", own_mnist)[0].pixels[-1, -1, -1])
    with raw(own_mnist, "train-images-idx3-ubyte").open("r+b") as file:
        file.seek(-1, 2)
        file.write(bytes([255 - last]))
    with pytest.raises(UserError, match="digest"):
        check_digest("mnist", own_mnist, planned)


def test_idx_files_hold_what_was_written(own_mnist: Path) -> None:
    train, test = load_images("mnist", own_mnist)
    assert (train.pixels.shape, train.labels.shape) == ((36, 28, 28), (36,))
    assert train.pixels[:, 0, 0].tolist() == list(range(36))
    assert test.pixels[:, 0, 0].tolist() == list(range(100, 112))


def test_a_data_set_is_mapped_and_not_copied(small_mnist: Path) -> None:
    train, _ = load_images("mnist", small_mnist)
    assert str(raw(small_mnist, "train-images-idx3-ubyte")) in Path("/proc/self/maps").read_text()
    assert not train.pixels.flags.writeable


def test_both_splits_share_the_data_sets_memory(small_mnist: Path) -> None:
    train, _ = load_images("mnist", small_mnist)
    problem = Problem(Settings(dataset="mnist", train_samples=8, test_samples=8), small_mnist, "validation")
    assert np.shares_memory(problem.train(0, 1).items, train.pixels)
    assert np.shares_memory(problem.test(0, 1).items, train.pixels)


def test_mnist_has_the_mean_and_standard_deviation_of_the_thesis(mnist_folder: Path) -> None:
    train, test = load_images("mnist", mnist_folder)
    assert train.pixels.shape == (60_000, 28, 28)
    assert test.pixels.shape == (10_000, 28, 28)
    assert train.pixels.mean() == pytest.approx(33.3, abs=0.05)
    assert train.pixels.std() == pytest.approx(78.6, abs=0.05)
    assert np.bincount(train.labels)[:2].tolist() == [5923, 6742]  # zeros and ones, as published


def test_files_where_one_may_not_look_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)  # as before Python 3.14, for any user but root
    assert len(missing_files("mnist", tmp_path)) == 4

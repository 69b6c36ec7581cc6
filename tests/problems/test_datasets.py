"""Data sets: the embedded digits, IDX files good and bad, and MNIST where it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dfa_tune.errors import UserError
from dfa_tune.problems.datasets import (
    DATASETS,
    DIGITS_DIGEST,
    Images,
    _load,
    check_digest,
    content_digest,
    data_folder,
    digest,
    load_images,
    missing_files,
    read_idx,
)
from dfa_tune.problems.kinds.parity import Problem, Settings

REAL_DATA = Path(__file__).parents[2].parent / "shared" / "data"
HEADER = bytes([0, 0, 8])


def raw(folder: Path, name: str) -> Path:
    return folder / "MNIST" / "raw" / name


# -- digits -------------------------------------------------------------------------------------


def test_digits_are_scikit_learns_images_each_in_training_or_in_test() -> None:
    train, test = load_images("digits")
    assert (len(train.digits), len(test.digits)) == (DATASETS["digits"].train, DATASETS["digits"].test)
    bunch = load_digits()

    def rows(pixels: np.ndarray, digits: np.ndarray) -> list[tuple[int, ...]]:
        return sorted((*map(int, p.ravel()), int(d)) for p, d in zip(pixels, digits, strict=True))

    found = rows(np.concatenate([train.pixels, test.pixels]), np.concatenate([train.digits, test.digits]))
    assert found == rows(bunch.images, bunch.target)
    assert train.pixels.dtype == train.digits.dtype == np.uint8


def test_the_digest_of_digits_is_that_of_its_arrays() -> None:
    assert digest(*load_images("digits")) == DIGITS_DIGEST == content_digest("digits")


def test_a_digest_changes_with_any_pixel_label_or_shape() -> None:
    pixels, digits = np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.uint8)
    other_pixels, other_digits = pixels.copy(), digits.copy()
    other_pixels[1, 2, 3] = other_digits[1] = 1
    variants = [
        Images(pixels, digits),
        Images(other_pixels, digits),
        Images(pixels, other_digits),
        Images(pixels.reshape(2, 2, 8), digits),
    ]
    assert len({digest(images) for images in variants}) == 4


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


# -- where files are ----------------------------------------------------------------------------


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


# -- IDX files ----------------------------------------------------------------------------------


def test_idx_files_hold_what_was_written(own_mnist: Path) -> None:
    train, test = load_images("mnist", own_mnist)
    assert (train.pixels.shape, train.digits.shape) == ((36, 28, 28), (36,))
    assert train.pixels[:, 0, 0].tolist() == list(range(36))
    assert test.pixels[:, 0, 0].tolist() == list(range(100, 112))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "nothing"),
        (b"\x00\x00\x08", "000008"),
        (HEADER + b"\x01" + (3).to_bytes(4, "big") + b"abc", "3 dimensions"),  # rank 1 for rank 3
        (b"\x00\x00\x0d\x03" + bytes(12), "00000d03"),  # floats
        (b"\x1f\x8b\x08\x00" + bytes(50), "1f8b0800"),  # still compressed
        (HEADER + b"\x03" + bytes(7), "00000803"),  # a header cut short
    ],
)
def test_a_file_that_is_not_idx_is_refused_by_name(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_idx(path, rank=3)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"\x00", lambda c: c[:16]])
def test_a_truncated_or_padded_file_is_refused_by_name(own_mnist: Path, change) -> None:  # type: ignore[no-untyped-def]
    path = raw(own_mnist, "train-images-idx3-ubyte")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match="truncated") as caught:
        load_images("mnist", own_mnist)
    assert str(path) in str(caught.value)


def test_more_images_than_labels_are_refused_with_both_files(own_mnist: Path) -> None:
    path = raw(own_mnist, "train-labels-idx1-ubyte")
    path.write_bytes(HEADER + b"\x01" + (35).to_bytes(4, "big") + path.read_bytes()[8:-1])
    with pytest.raises(UserError, match=r"36 images.*35 labels") as caught:
        load_images("mnist", own_mnist)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("labels", [b"", b"\x03\x0a"])
def test_an_empty_data_set_or_a_label_that_is_no_digit_is_refused(own_mnist: Path, labels: bytes) -> None:
    count = len(labels).to_bytes(4, "big")
    path = raw(own_mnist, "t10k-labels-idx1-ubyte")
    path.write_bytes(HEADER + b"\x01" + count + labels)
    shape = count + (28).to_bytes(4, "big") * 2
    raw(own_mnist, "t10k-images-idx3-ubyte").write_bytes(HEADER + b"\x03" + shape + bytes(784 * len(labels)))
    with pytest.raises(UserError) as caught:
        load_images("mnist", own_mnist)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("shape", [(32, 32), (0, 28), (0, 0)])
def test_images_of_another_shape_are_refused_by_name(own_mnist: Path, shape: tuple[int, int]) -> None:
    path = raw(own_mnist, "t10k-images-idx3-ubyte")
    sizes = b"".join(size.to_bytes(4, "big") for size in (12, *shape))
    path.write_bytes(HEADER + b"\x03" + sizes + bytes(12 * shape[0] * shape[1]))
    with pytest.raises(UserError, match=r"\(28, 28\)") as caught:
        load_images("mnist", own_mnist)
    assert str(path) in str(caught.value)


def test_a_header_that_promises_a_huge_array_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    path.write_bytes(HEADER + b"\x03" + b"\xff" * 12)
    with pytest.raises(UserError, match="truncated"):
        read_idx(path, rank=3)


def test_a_folder_in_the_place_of_a_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read") as caught:
        read_idx(tmp_path, rank=1)
    assert str(tmp_path) in str(caught.value)


# -- the real thing -----------------------------------------------------------------------------


@pytest.mark.skipif(
    not (REAL_DATA / "MNIST" / "raw").is_dir(), reason="MNIST is not in ../shared/data beside the repository"
)
def test_mnist_has_the_protocols_mean_and_standard_deviation() -> None:
    train, test = load_images("mnist", REAL_DATA)
    assert train.pixels.shape == (60_000, 28, 28)
    assert test.pixels.shape == (10_000, 28, 28)
    assert train.pixels.mean() == pytest.approx(33.3, abs=0.05)
    assert train.pixels.std() == pytest.approx(78.6, abs=0.05)
    assert np.bincount(train.digits)[:2].tolist() == [5923, 6742]  # zeros and ones, as published


def test_a_data_set_is_mapped_and_not_copied(small_mnist: Path) -> None:
    train, _ = load_images("mnist", small_mnist)
    assert str(raw(small_mnist, "train-images-idx3-ubyte")) in Path("/proc/self/maps").read_text()
    assert not train.pixels.flags.writeable


def test_both_splits_share_the_data_sets_memory(small_mnist: Path) -> None:
    train, _ = load_images("mnist", small_mnist)
    problem = Problem(Settings(dataset="mnist", train_samples=8, test_samples=8), small_mnist, "validation")
    assert np.shares_memory(problem.train(0, 1).items, train.pixels)
    assert np.shares_memory(problem.test(0, 1).items, train.pixels)


def test_digits_do_not_import_scikit_learn() -> None:
    code = "import sys; from dfa_tune.problems.datasets import load_images as load; load('digits');"
    subprocess.run([sys.executable, "-c", code + "assert 'sklearn' not in sys.modules"], check=True)

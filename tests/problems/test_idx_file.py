"""IDX files, good and bad: every defect is refused with the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfa_tune.errors import UserError
from dfa_tune.problems.datasets import load_images
from dfa_tune.problems.idx_file import read_idx

HEADER = bytes([0, 0, 8])


def raw(folder: Path, name: str) -> Path:
    return folder / "MNIST" / "raw" / name


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

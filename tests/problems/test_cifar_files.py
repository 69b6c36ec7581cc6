"""CIFAR-10's batches, written as its authors did, and files that are not such batches."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfa_tune.errors import UserError
from dfa_tune.problems.cifar_files import read_batches
from dfa_tune.problems.datasets import content_digest, load_images, missing_files
from dfa_tune.problems.kinds.classification import Problem, Settings

COUNT = 7  # images in a batch; the real ones have 10,000


def batch(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "batch_label": f"training batch {seed} of 5",
        "labels": rng.integers(0, 10, COUNT).tolist(),
        "data": rng.integers(0, 256, (COUNT, 3072), dtype=np.uint8),
        "filenames": [f"image_{n}.png" for n in range(COUNT)],
    }


def write(path: Path, content: Any, protocol: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    """A data folder with small batches of protocol 2, as Python 2 wrote them."""
    for number in range(1, 6):
        write(tmp_path / "cifar-10-batches-py" / f"data_batch_{number}", batch(number))
    write(tmp_path / "cifar-10-batches-py" / "test_batch", batch(6))
    return tmp_path


def test_batches_are_read_one_after_another(cifar: Path) -> None:
    train, test = load_images("cifar10", cifar)
    expected = np.concatenate([batch(number)["data"] for number in range(1, 6)])
    np.testing.assert_array_equal(train.pixels.reshape(5 * COUNT, 3072), expected)
    assert train.labels.tolist() == [label for n in range(1, 6) for label in batch(n)["labels"]]
    assert test.labels.tolist() == batch(6)["labels"]
    assert train.pixels.shape == (5 * COUNT, 96, 32)
    assert missing_files("cifar10", cifar) == []


def test_a_row_of_an_image_is_a_row_of_one_of_its_three_planes(cifar: Path) -> None:
    """torchvision: data.reshape(-1, 3, 32, 32), red, green, blue."""
    pixels = load_images("cifar10", cifar)[0].pixels
    planes = batch(1)["data"].reshape(COUNT, 3, 32, 32)
    np.testing.assert_array_equal(pixels[0].reshape(3, 32, 32), planes[0])


def test_what_python_2_wrote_is_read_too(tmp_path: Path) -> None:
    """The published files: protocol 2, where text and bytes are one type; written here opcode by opcode."""
    pixels = np.arange(3072).astype(np.uint8)

    def text(content: bytes) -> bytes:
        return pickle.BINSTRING + len(content).to_bytes(4, "little") + content

    def number(value: int) -> bytes:
        return pickle.BININT + value.to_bytes(4, "little", signed=True)

    kind = b"cnumpy\ndtype\n" + text(b"u1") + number(0) + number(1) + pickle.TUPLE3 + pickle.REDUCE
    kind_state = number(3) + text(b"|") + pickle.NONE * 3 + number(-1) * 2 + number(0)
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + number(0) + pickle.TUPLE1 + text(b"b")
    )
    state = [
        number(1),
        number(1) + number(3072) + pickle.TUPLE2,
        kind + pickle.MARK + kind_state + pickle.TUPLE + pickle.BUILD,
        pickle.NEWFALSE,
        text(pixels.tobytes()),
    ]
    state_tuple = pickle.MARK + b"".join(state) + pickle.TUPLE
    data = array + pickle.TUPLE3 + pickle.REDUCE + state_tuple + pickle.BUILD
    labels = pickle.EMPTY_LIST + number(3) + pickle.APPEND
    entries = text(b"labels") + labels + text(b"data") + data
    path = tmp_path / "test_batch"
    path.write_bytes(
        pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.MARK + entries + pickle.SETITEMS + pickle.STOP
    )
    plain = pickle.loads(path.read_bytes(), encoding="latin1")  # noqa: S301
    np.testing.assert_array_equal(plain["data"], pixels.reshape(1, 3072))  # NumPy takes it for the same array

    images = read_batches([path])
    np.testing.assert_array_equal(images.pixels.ravel(), pixels)
    assert images.labels.tolist() == [3]


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_other_protocols_are_read_too(tmp_path: Path, protocol: int) -> None:
    images = read_batches([write(tmp_path / "test_batch", batch(1), protocol)])
    np.testing.assert_array_equal(images.pixels.reshape(COUNT, 3072), batch(1)["data"])


def test_a_problem_of_cifar_has_3072_inputs_and_ten_classes(cifar: Path) -> None:
    settings = Settings(dataset="cifar10", train_samples=20, test_samples=5)
    assert (settings.inputs, settings.classes, settings.outputs) == (3072, 10, 10)
    problem = Problem(settings, cifar)
    assert problem.train(0, 1).gather().shape == (20, 3072)


def test_a_missing_batch_is_named_and_the_digest_is_unknown(cifar: Path) -> None:
    path = cifar / "cifar-10-batches-py" / "data_batch_3"
    path.unlink()
    assert content_digest("cifar10", cifar) is None
    with pytest.raises(UserError, match=r"cifar-10-batches-py.*--data") as caught:
        load_images("cifar10", cifar)
    assert str(path) in str(caught.value)


class Harmful:
    """Unpickled by Python, it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    path = write(tmp_path / "test_batch", {"labels": [1], "data": Harmful(tmp_path / "made")})
    with pytest.raises(UserError, match=r"(posix|nt)\.mkdir"):
        read_batches([path])
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2, 3], "not a batch"),
        ({"labels": [1]}, "data"),
        ({"labels": [10], "data": np.zeros((1, 3072), np.uint8)}, "valid: 0 to 9"),
        ({"labels": [1, 2], "data": np.zeros((1, 3072), np.uint8)}, "3,072 bytes of pixels and 2 labels"),
        ({"labels": [1], "data": np.zeros((1, 3072), np.float32)}, "f4"),
        ({"labels": [], "data": np.zeros((0, 3072), np.uint8)}, "not a batch"),
        ({"labels": ["x"], "data": np.zeros((1, 3072), np.uint8)}, "not a batch"),
        ({"labels": [1], "data": np.array([None] * 3072)}, "O8"),
    ],
)
def test_a_file_that_is_no_batch_is_refused_by_name(tmp_path: Path, content: Any, says: str) -> None:
    path = write(tmp_path / "data_batch_1", content)
    with pytest.raises(UserError, match=says) as caught:
        read_batches([path])
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("length", [0, 1, 100, 5000])
def test_a_truncated_batch_is_refused_by_name(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "data_batch_1", batch(1))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match="download it again") as caught:
        read_batches([path])
    assert str(path) in str(caught.value)


def test_a_folder_in_the_place_of_a_batch_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_batches([tmp_path])
    huge = tmp_path / "data_batch_1"
    with huge.open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(UserError, match=r"1,000,000,000 bytes; valid"):
        read_batches([huge])

"""Data sets of one's own: what an .npz file gives, and every way in which one may be wrong."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfa_tune.errors import UserError
from dfa_tune.problems import npz_file
from dfa_tune.problems.datasets import about, check_digest, content_digest, load_images, missing_files
from dfa_tune.problems.download import ensure
from dfa_tune.problems.kinds import classification, parity
from dfa_tune.problems.npz_file import read_npz

Arrays = dict[str, NDArray[Any]]


def good(shape: tuple[int, ...] = (4, 5), classes: int = 3) -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.normal(size=(30, *shape)),
        "y_train": np.arange(30) % classes,
        "x_test": rng.normal(size=(9, *shape)),
        "y_test": rng.integers(0, classes, 9),
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """write(arrays, name=array, ...) writes an .npz file of these; one that is None is left out."""

    def save(arrays: Arrays | None = None, /, compressed: bool = False, **changes: Any) -> Path:
        content = {name: array for name, array in ((arrays or good()) | changes).items() if array is not None}
        path = tmp_path / "mine.npz"
        (np.savez_compressed if compressed else np.savez)(path, **content)
        return path

    return save


# -- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("shape", "read_as"), [((), None), ((6,), (1, 6)), ((4, 5), (4, 5)), ((4, 5, 3), (4, 15))]
)
def test_images_of_any_shape_become_rows_and_columns(
    write: Callable[..., Path], shape: tuple[int, ...], read_as: tuple[int, int] | None, compressed: bool
) -> None:
    arrays = good(shape)
    path = write(arrays, compressed=compressed)
    if read_as is None:
        with pytest.raises(UserError, match=r"x_train has the shape \(30,\)"):
            read_npz(path)
        return
    train, test = read_npz(path)
    np.testing.assert_array_equal(train.pixels, arrays["x_train"].astype(np.float32).reshape(30, *read_as))
    np.testing.assert_array_equal(test.pixels, arrays["x_test"].astype(np.float32).reshape(9, *read_as))
    np.testing.assert_array_equal(train.labels, arrays["y_train"])
    found = about(str(path))
    assert (found.train, found.test, found.shape, found.classes) == (30, 9, read_as, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float64, bool])
def test_bytes_stay_bytes_and_other_numbers_become_float32(write: Callable[..., Path], dtype: type) -> None:
    arrays = good()
    x = (arrays["x_train"] > 0).astype(dtype)
    train, _ = read_npz(write(x_train=x))
    assert train.pixels.dtype == (np.uint8 if dtype is np.uint8 else np.float32)
    np.testing.assert_array_equal(train.pixels, x)


def test_a_digest_is_of_the_content_and_not_of_the_place(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    elsewhere = tmp_path / "other.npz"
    np.savez_compressed(elsewhere, **good())
    before = content_digest(str(path))
    assert before == content_digest(str(elsewhere)) != None  # noqa: E711
    write(y_test=np.arange(9) % 3)
    os.utime(path, ns=(1, 1))
    assert content_digest(str(path)) != before
    with pytest.raises(UserError, match=r"mine\.npz.*start the run again"):
        check_digest(str(path), None, before)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    path = str(tmp_path / "none.npz")
    assert missing_files(path, tmp_path) == [Path(path)]
    assert content_digest(path) is None
    for asks in (lambda: ensure(path), lambda: load_images(path), lambda: about(path)):
        with pytest.raises(UserError, match=r"none\.npz"):
            asks()


# -- problems of it -----------------------------------------------------------------------------


def test_classification_and_parity_are_made_of_it(write: Callable[..., Path]) -> None:
    path = write(good((4, 5), classes=4))
    settings = classification.Settings(dataset=str(path)).resolved()
    assert (settings.inputs, settings.classes, settings.samples, settings.test_samples) == (20, 4, 30, 9)
    problem = classification.Problem(settings)
    sample = problem.train(0, 1)
    assert sample.gather().shape == (30, 20)
    assert (problem.mean, problem.std) == pytest.approx((read_npz(path)[0].pixels.mean(), 1), abs=0.1)

    tuples = parity.Settings(dataset=str(path), k=2, train_samples=50, test_samples=20)
    assert tuples.inputs == 40
    drawn = parity.Problem(tuples).train(0, 1)
    assert drawn.labels.tolist() == [int(sum(np.arange(30)[row] % 4) % 2) for row in drawn.indices]


def test_a_relative_path_is_resolved_in_the_working_folder(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write()
    monkeypatch.chdir(path.parent)
    settings = classification.Settings(dataset="mine.npz")
    assert settings.inputs == 20
    monkeypatch.chdir("/")
    assert classification.Settings(dataset=str(path)).resolved().dataset == str(path)


def test_where_a_file_lies_does_not_count_in_an_id(write: Callable[..., Path]) -> None:
    path = write()
    here = classification.Settings(dataset=str(path)).resolved()
    there = here.model_copy(update={"dataset": "/elsewhere/other.npz"})
    assert here.id_content() == there.id_content()
    assert here.id_content()["dataset"] == "npz"


# -- files that are refused ---------------------------------------------------------------------

CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "no labels": ({"y_train": None}, "no array y_train .*valid: x_train, y_train"),
    "a label too few": ({"y_train": np.arange(29) % 3}, r"y_train has the shape \(29,\); valid: \(30,\)"),
    "labels in a column": ({"y_test": np.zeros((9, 1), int)}, r"y_test has the shape \(9, 1\)"),
    "labels that are not whole": (
        {"y_train": np.arange(30) % 3 / 1.0},
        "y_train is an array of float64.*integers",
    ),
    "a negative label": ({"y_train": np.arange(30) % 3 - 1}, "y_train has the label -1"),
    "a class without an image": ({"y_train": np.arange(30) % 3 * 2}, "go up to 4, but none is 1"),
    "labels from 1": ({"y_train": 1 + np.arange(30) % 3}, "none is 0"),
    "one class only": ({"y_train": np.zeros(30, int), "y_test": np.zeros(9, int)}, "at least two classes"),
    "an unknown class in the test": ({"y_test": np.arange(9)}, "y_test has the label 8; valid: 0 to 2"),
    "a negative label in the test": ({"y_test": np.full(9, -2)}, "y_test has the label -2"),
    "images of two shapes": ({"x_test": np.zeros((9, 5, 4))}, r"\(4, 5\), x_test of \(5, 4\)"),
    "no test images": ({"x_test": np.zeros((0, 4, 5)), "y_test": np.zeros(0, int)}, "x_test has the shape"),
    "images without a pixel": (
        {"x_train": np.zeros((30, 0)), "x_test": np.zeros((9, 0))},
        "none of them empty",
    ),
    "complex numbers": (
        {"x_train": good()["x_train"] * 1j},
        "x_train is an array of complex128; valid: real",
    ),
    "text": ({"x_train": np.full((30, 4, 5), "a")}, "valid: real numbers"),
    "objects": ({"x_train": np.full((30, 4, 5), None)}, "x_train is an array of object; valid: real numbers"),
    "objects for labels": ({"y_train": np.full(30, None)}, "y_train is an array of object; valid: integers"),
    "numbers that are all the same": (
        {"x_train": np.ones((30, 4, 5))},
        "all numbers of x_train are the same",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_arrays_that_cannot_be_trained_on_are_refused(write: Callable[..., Path], change: str) -> None:
    changes, says = CHANGES[change]
    path = write(**changes)
    with pytest.raises(UserError, match=says) as caught:
        read_npz(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_number_that_is_not_finite_in_float32_is_named_with_its_place(
    write: Callable[..., Path], value: float
) -> None:
    x = good()["x_train"]
    x[7, 2, 3] = value
    with pytest.raises(UserError, match=r"x_train\[7, 2, 3\] is .*valid: finite"):
        read_npz(write(x_train=x))


def test_arrays_larger_than_memory_are_refused_before_they_are_read(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz_file, "_memory", lambda: 5000)
    monkeypatch.setattr(npz_file, "_arrays", lambda *_: pytest.fail("read"))
    with pytest.raises(UserError, match=r"take [\d,]+ bytes; valid: at most 2,500"):
        read_npz(write())


def test_a_header_that_promises_more_than_there_is_is_refused(write: Callable[..., Path]) -> None:
    path = write()
    rewritten = path.with_name("lying.npz")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(rewritten, "w") as new:
        for name in ("y_train.npy", "x_test.npy", "y_test.npy"):
            new.writestr(name, old.read(name))
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (30, 4, 5), }\n"
        new.writestr(
            "x_train.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"short"
        )
    with pytest.raises(UserError, match=r"lying\.npz: damaged, or not an \.npz file"):
        read_npz(rewritten)


@pytest.mark.parametrize("change", [lambda c: c[: len(c) // 2], lambda c: b"", lambda c: b"\x00" * len(c)])
def test_a_truncated_file_or_another_kind_of_file_is_refused(
    write: Callable[..., Path], change: Callable[[bytes], bytes]
) -> None:
    path = write()
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=r"mine\.npz: cannot be read as an \.npz file"):
        read_npz(path)


def test_a_flipped_byte_is_refused(write: Callable[..., Path]) -> None:
    """The zip format has a checksum for each array."""
    path = write()
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UserError, match="damaged"):
        read_npz(path)


def test_a_pickle_named_npz_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(pickle.dumps(good()))
    with pytest.raises(UserError, match=r"cannot be read as an \.npz file"):
        read_npz(path)


def test_a_folder_or_a_pipe_in_its_place_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    for name in ("folder.npz", "pipe.npz"):
        with pytest.raises(UserError, match="there is no such file"):
            read_npz(tmp_path / name)

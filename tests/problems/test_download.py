"""Fetching a data set: not where it is here already, and a clear message where there is no network."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from torchvision import datasets

from dfa_tune.errors import UserError
from dfa_tune.problems import download


def test_nothing_is_fetched_where_the_files_are(small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_reachable", lambda urls: pytest.fail("asked the network"))
    download.ensure("mnist", small_mnist)
    download.ensure("digits", small_mnist)


def test_without_a_network_the_message_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Port 9 (discard) of this machine: refused at once
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/", "http://127.0.0.1:9/mnist/"])
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        download.ensure("mnist", tmp_path)
    assert time.monotonic() - start < 10
    wanted = ("train-images-idx3-ubyte", str(tmp_path / "MNIST" / "raw"), "--data", "DFA_TUNE_DATA")
    assert all(part in str(caught.value) for part in wanted)
    assert not list(tmp_path.rglob("*ubyte*"))


def test_a_server_that_never_answers_is_given_up_within_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(download, "_ask", lambda url, answered: time.sleep(1))
    start = time.monotonic()
    assert not download._reachable(["http://a/", "http://b/"])
    assert time.monotonic() - start < 0.8


def test_a_download_that_fails_half_way_is_a_users_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, root: str, download: bool) -> None:
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(download, "_reachable", lambda urls: True)
    monkeypatch.setattr(datasets.MNIST, "__init__", broken)
    with pytest.raises(UserError, match="File not found or corrupted"):
        download.ensure("mnist", tmp_path)

"""Downloads a data set on first use, through torchvision. Without a network it fails within seconds."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from dfa_tune.errors import UserError
from dfa_tune.problems.datasets import DATASETS, NPZ, data_folder, how_to_get, missing_files

# torchvision's servers, asked before torchvision is imported, which takes seconds
SERVERS = {
    "mnist": ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"],
    "fashion-mnist": ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
    "kmnist": ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
    "cifar10": ["https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"],
}
PROBE_SECONDS = 4.0  # a server that has not answered by then counts as unreachable


def ensure(name: str, data: str | Path | None = None) -> None:
    """Download data set `name` into its folder unless it is there; UserError says how to get it by hand."""
    folder = data_folder(data)
    if not missing_files(name, folder):
        return
    missing = missing_files(name, folder)[0]
    if name.endswith(NPZ):
        raise UserError(f"data set {name!r} is missing. {how_to_get(name, folder)}")
    if not _reachable(SERVERS[name]):
        raise UserError(
            f"data set {name!r}: {missing} is missing, and no download server answers."
            f" {how_to_get(name, folder)}"
        )
    from torchvision import datasets  # takes seconds to import

    kind = getattr(datasets, str(DATASETS[name].folder))
    try:
        with (
            Path(os.devnull).open("w") as quiet,
            contextlib.redirect_stderr(quiet),
            contextlib.redirect_stdout(quiet),
        ):
            kind(root=str(folder), download=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"data set {name!r}: the download failed ({error}). {how_to_get(name, folder)}"
        ) from error


def _reachable(urls: list[str]) -> bool:
    """Whether any of `urls` answers. They are asked in threads, since resolving a name has no time-out."""
    answered = threading.Event()
    pending = [threading.Thread(target=_ask, args=(url, answered), daemon=True) for url in urls]
    for thread in pending:
        thread.start()
    deadline = time.monotonic() + PROBE_SECONDS
    while not answered.is_set() and time.monotonic() < deadline and any(t.is_alive() for t in pending):
        time.sleep(0.05)
    return answered.is_set()


def _ask(url: str, answered: threading.Event) -> None:
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "dfa_tune"})
    try:
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS):
            answered.set()
    except urllib.error.HTTPError:
        answered.set()  # a server that refuses to list the folder does answer
    except OSError:
        return

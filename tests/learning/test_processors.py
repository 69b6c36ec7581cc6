"""A trial on data that are mostly zeros has the same bits whatever vector instructions the processor has.

A process cannot change them, so each trial here is trained by processes of its own, which are told to do
without some: torch by ATEN_CPU_CAPABILITY, MKL by MKL_ENABLE_INSTRUCTIONS, numba by NUMBA_CPU_NAME.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.kinds import parity
from dfa_tune.registry import OPTIMIZERS

CASES = [*(("dfa", name) for name in OPTIMIZERS.names()), ("bp", "sgd"), ("bp", "adam")]
PROCESSORS = {
    "no vectors in torch": {"ATEN_CPU_CAPABILITY": "default"},
    "no AVX2 in torch and MKL": {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "no vectors and no fma in numba": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}


def digests(npz: str) -> list[str]:
    """A hash of the rows and of the weights of a short trial for each of the CASES."""
    found = []
    for rule, optimizer in CASES:
        training = PackTraining(
            parity.Problem(parity.Settings(dataset=npz, k=3, train_samples=700, test_samples=300)),
            Network(hidden=(93,), bias=True),
            Training(epochs=3, batch_size=64, weight_decay=1e-3, device="cpu"),
            rule,
            optimizer,
            [Member(0.01, 3, "uniform" if rule == "dfa" else None)],
            sparse=True,
        )
        rows = [{**row, "seconds": 0} for row in training.advance(float("inf"))]
        digest = hashlib.sha256(repr(rows).encode())
        for tensor in training.weights(0).values():
            digest.update(tensor.numpy().tobytes())
        found.append(digest.hexdigest())
    return found


def mostly_zero(path: Path) -> str:
    """Images of 12 x 12 bytes, a fifth of them not zero; the label is whether the upper half is brighter."""
    rng = np.random.default_rng(0)
    x = rng.integers(1, 256, (500, 12, 12)) * (rng.random((500, 12, 12)) < 0.2)
    y = (x[:, :6].sum((1, 2)) > x[:, 6:].sum((1, 2))).astype(np.int64)
    x = x.astype(np.uint8)
    np.savez(path, x_train=x[:400], y_train=y[:400], x_test=x[400:], y_test=y[400:])
    return str(path)


@pytest.mark.slow  # kernels are compiled for other processors
@pytest.mark.parametrize("name", PROCESSORS)
def test_a_trial_has_the_same_bits_on_another_processor(name: str, tmp_path: Path) -> None:
    npz = mostly_zero(tmp_path / "images.npz")
    program = "import sys, test_processors; print(*test_processors.digests(sys.argv[1]))"
    found = subprocess.run(
        [sys.executable, "-c", program, npz],
        cwd=Path(__file__).parent,
        env=os.environ | PROCESSORS[name] | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == digests(npz)

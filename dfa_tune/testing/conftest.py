"""Which plugins the tests in this folder are about: all that there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dfa_tune.registry import ACTIVATIONS, FEEDBACK, OPTIMIZERS, PROBLEMS, RULES
from dfa_tune.testing.training import Trained, train

KINDS = {
    "rule": RULES,
    "optimizer": OPTIMIZERS,
    "feedback": FEEDBACK,
    "activation": ACTIVATIONS,
    "problem": PROBLEMS,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument `rule` runs for every rule that a plugin adds, and so on."""
    found = {kind: [n for n in one.names() if one.plugin(n) is not None] for kind, one in KINDS.items()}
    if not any(found.values()):
        raise pytest.UsageError(
            "there is no plugin to test; name it by the environment variable DFA_TUNE_PLUGINS=FILE.py"
        )
    for kind, names in found.items():
        if kind in metafunc.fixturenames:
            metafunc.parametrize(kind, names)


@pytest.fixture
def trained() -> Callable[..., Trained]:
    """Trains a pack of a small network to its last epoch."""
    return train


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Small products take longer where threads share them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

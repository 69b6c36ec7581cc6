"""NAME against PyTorch's own."""

from pathlib import Path

import torch

import dfa_tune
from dfa_tune.registry import ACTIVATIONS

dfa_tune.register(Path(__file__).with_name("NAME.py"))


def test_its_values_are_pytorchs() -> None:
    a = torch.linspace(-5, 5, 101, dtype=torch.float64)
    torch.testing.assert_close(ACTIVATIONS["NAME"].value(a), torch.nn.functional.softsign(a))

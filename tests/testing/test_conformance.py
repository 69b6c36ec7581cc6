"""The conformance suite finds what breaks its rules; what keeps to them, tests/cli/test_new.py has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # .ci/run has it

BETWEEN_MEMBERS = """from dfa_tune.learning.rules import Rule
# Reaches from one member of the pack to the others
RULE = Rule(transport=lambda weight, feedback: weight - weight.mean(0, keepdim=True))
"""
IN_PLACE = """from dfa_tune.learning.rules import Rule


def transport(weight, feedback):
    return weight.mul_(1.5)


RULE = Rule(transport=transport)
"""
FORGETFUL = """from dfa_tune.learning.optimizers import Base


class Optimizer(Base):
    \"\"\"Keeps its velocity where a checkpoint does not have it.\"\"\"

    def __init__(self, parameter, **options):
        super().__init__(parameter, **options)
        self.velocity = parameter.new_zeros(parameter.shape)

    def step(self, gradient, learning_rate, t):
        self.velocity.mul_(0.9).add_(gradient)
        self.parameter.sub_(self.velocity * learning_rate)
"""
WRONG_SLOPE = """from dfa_tune.learning.activations import Activation
ACTIVATION = Activation(value=lambda a: a.tanh(), derivative=lambda a, h: 1 - h)
"""


def suite(folder: Path, plugins: list[str]) -> subprocess.CompletedProcess[str]:
    """The conformance suite in this folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line", "-rf"]
    return subprocess.run(
        [*command, "--pyargs", "dfa_tune.testing"],
        cwd=folder,
        env=os.environ | {"DFA_TUNE_PLUGINS": os.pathsep.join(plugins)},
        capture_output=True,
        text=True,
    )


def test_the_suite_finds_what_breaks_its_rules(tmp_path: Path) -> None:
    texts = {
        "between": BETWEEN_MEMBERS,
        "in_place": IN_PLACE,
        "forgetful": FORGETFUL,
        "wrong_slope": WRONG_SLOPE,
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    ended = suite(tmp_path, [f"{name}.py" for name in texts])
    found: dict[str, set[str]] = {name: set() for name in texts}
    for line in ended.stdout.splitlines():
        if line.startswith("FAILED"):
            test, _, parameters = line.split("::")[1].partition("[")
            (name,) = (name for name in texts if name in parameters)
            found[name].add(test)
    alone = "test_a_member_of_a_pack_is_the_trial_alone_bit_for_bit"
    assert alone in found["between"], ended.stdout + ended.stderr
    assert "test_it_changes_no_tensor_that_it_is_given" in found["in_place"]
    assert found["forgetful"] == {"test_a_training_that_was_interrupted_has_the_numbers_of_one_that_was_not"}
    assert "test_a_derivative_is_that_of_autograd" in found["wrong_slope"]


def test_without_a_plugin_the_suite_says_how_to_name_one(tmp_path: Path) -> None:
    ended = suite(tmp_path, [])
    assert ended.returncode != 0
    assert "there is no plugin to test; name it by the environment variable DFA_TUNE_PLUGINS" in ended.stdout

"""A rule and an optimizer of one's own outside the package, trained by Ray's workers and read back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest

RULE = """from dfa_tune.learning.rules import Rule
RULE = Rule(transport=lambda weight, feedback: weight.sign())
"""
RAISING = """from dfa_tune.learning.rules import Rule


def transport(weight, feedback):
    raise ValueError("not today")


RULE = Rule(transport=transport)
"""
OPTIMIZER = """from dfa_tune.learning.optimizers import Base
from lab.shared import move


class Optimizer(Base):
    def step(self, gradient, learning_rate, t):
        move(self.parameter, gradient, learning_rate)
"""
SPACE = """
name: owned
problem: {kind: parity, dataset: digits, k: 1, train_samples: 128, test_samples: 100}
network: {hidden: 8}
training: {epochs: 1, batch_size: 64}
methods: [{rule: [bp, mine], optimizer: [sgd, signed], learning_rate: 0.01},
          {rule: raising, optimizer: sgd, learning_rate: 0.01}]
repetitions: 1
"""
NAMED = ["--plugin=mine.py", "--plugin=raising.py", "--plugin=lab.signed", "--results=results"]


class Owned(NamedTuple):
    """A folder with a space, two rules in files and an optimizer in a package, after one run."""

    folder: Path
    process: subprocess.CompletedProcess[str]


def dfa_tune(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in the folder, where the package is on Python's path and on nobody else's."""
    return subprocess.run(
        [sys.executable, "-m", "dfa_tune", *arguments, *NAMED],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "site")},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Owned:
    folder = tmp_path_factory.mktemp("owned")
    (folder / "site" / "lab").mkdir(parents=True)
    (folder / "owned.yaml").write_text(SPACE)
    (folder / "mine.py").write_text(RULE)
    (folder / "raising.py").write_text(RAISING)
    (folder / "site" / "lab" / "__init__.py").write_text("")
    (folder / "site" / "lab" / "signed.py").write_text(OPTIMIZER)
    shared = "def move(parameter, gradient, rate):\n    parameter.sub_(gradient.sign_().mul_(rate))\n"
    (folder / "site" / "lab" / "shared.py").write_text(shared)
    return Owned(folder, dfa_tune(folder, "run", "owned.yaml"))


def rows(owned: Owned) -> pd.DataFrame:
    return pd.read_parquet(owned.folder / "results" / "owned" / "epochs")


def test_workers_train_what_files_and_packages_hold(owned: Owned) -> None:
    assert sorted(rows(owned)["method"]) == ["bp-sgd", "bp-signed", "mine-sgd", "mine-signed"]
    assert "Traceback" not in owned.process.stderr


def test_a_rule_that_raises_fails_alone_and_its_line_is_named(owned: Owned) -> None:
    assert owned.process.returncode == 1
    failed = "failed: raising-sgd: ValueError: not today (raising.py:5) (1 trials)"
    assert failed in " ".join(owned.process.stderr.split())


def test_files_say_which_sources_made_them(owned: Owned) -> None:
    found = {}
    for file in (owned.folder / "results" / "owned" / "epochs").glob("*.parquet"):
        metadata = pq.read_schema(file).metadata
        (method,) = pd.read_parquet(file)["method"].unique()
        found[method] = json.loads(metadata.get(b"plugins", b"{}"))
    assert found["bp-sgd"] == {}
    assert list(found["mine-signed"]) == ["optimizer signed", "rule mine"]
    assert RULE in found["mine-sgd"]["rule mine"]["sources"].values()
    assert set(found["bp-signed"]["optimizer signed"]["sources"]) == {"lab", "lab.shared", "lab.signed"}


def test_a_trial_of_a_plugin_is_reproduced_and_another_text_is_not_taken_for_it(
    owned: Owned, monkeypatch: pytest.MonkeyPatch, no_plugins: None, invoke
) -> None:
    monkeypatch.chdir(owned.folder)
    monkeypatch.syspath_prepend(owned.folder / "site")
    trial = rows(owned).set_index("method")["trial_id"]["mine-signed"]
    code, out, err = invoke("reproduce", trial, *NAMED)
    assert (code, "identical" in out) == (0, True), out + err
    (owned.folder / "mine.py").write_text(RULE + "# another text\n")
    code, _, err = invoke("reproduce", trial, *NAMED)
    assert code == 2
    assert "was trained with the rule mine from a plugin with the digest" in err
    _, out, _ = invoke("status", "owned.yaml", *NAMED)
    assert "owned: 5 trials: 2 done" in out
    assert "2 trials of other settings are in this folder too" in out


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("no.py", "no.py: no such file"),
        ("no_such_module", "no_such_module: no module of this name can be imported"),
        ("broken.py", "broken.py: cannot be imported: line 1: '(' was never closed"),
        ("dfa.py", "there is a rule 'dfa' already, from dfa_tune itself"),
    ],
)
def test_a_plugin_that_cannot_be_used_ends_the_command_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke, no_plugins: None, named: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("RULE = (\n")
    (tmp_path / "dfa.py").write_text(RULE)
    code, out, err = invoke("run", "quickstart", "--plugin", named)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
    assert not (tmp_path / "results").exists()


def test_without_its_plugin_a_rule_is_unknown_and_the_option_is_named(space: Path, invoke) -> None:
    code, _, err = invoke("plan", str(space), "--set", "methods.0.rule=mine")
    assert code == 2
    assert "unknown rule 'mine'" in err
    assert "--plugin FILE.py" in err

"""What `dfa-tune new` writes runs as it is, and so do its test and the conformance suite."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dfa_tune import registry

KINDS = ["rule", "optimizer", "feedback", "activation", "problem", "figure"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_plugins: None) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_written_with_its_test_and_can_be_registered(folder: Path, invoke, kind: str) -> None:
    code, out, err = invoke("new", kind, "mine")
    assert code == 0, err
    assert sorted(path.name for path in folder.iterdir()) == ["mine.py", "test_mine.py"]
    assert "dfa-tune" in out
    assert "NAME" not in (folder / "mine.py").read_text()
    assert len(registry.register(folder / "mine.py")) == 1
    name = "feedback initialisation" if kind == "feedback" else kind
    (found,) = (one for one in registry.REGISTRIES if one.kind == name)
    assert "mine" in found.names()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "figure"])
def test_the_command_that_is_printed_plans_trials_of_it(folder: Path, invoke, kind: str) -> None:
    _, out, _ = invoke("new", kind, "mine")
    (command,) = (line for line in out.splitlines() if "dfa-tune run" in line)
    arguments = shlex.split(command)
    code, out, err = invoke("plan", *arguments[arguments.index("run") + 1 :])
    assert code == 0, err
    used = {"rule": "mine-sgd", "optimizer": "bp-mine", "feedback": "dfa-sgd-mine"}.get(kind, "bp-sgd")
    assert used in out


def test_a_space_is_begun_as_init_does(folder: Path, invoke) -> None:
    code, _, err = invoke("new", "space", "mine")
    assert code == 0, err
    assert (folder / "mine.yaml").read_text().startswith("#")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rule", "dfa"), "dfa: there is a rule 'dfa' already, from dfa_tune itself"),
        (("rule", "my-rule"), "'my-rule' cannot be the name of a rule; valid: letters, digits and _"),
        (("figure", "a/b"), "'a/b' cannot be the name of a figure"),
        (("rule", "there"), "test_there.py: there already; choose another name"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(folder: Path, invoke, arguments, message: str) -> None:
    (folder / "test_there.py").write_text("")
    code, _, err = invoke("new", *arguments)
    assert code == 2
    assert message in " ".join(err.split())
    assert [path.name for path in folder.iterdir()] == ["test_there.py"]


@pytest.mark.slow  # .ci/run has it
def test_all_that_is_written_passes_its_own_test_and_the_conformance_suite(folder: Path, invoke) -> None:
    for kind in KINDS:
        assert invoke("new", kind, f"my_{kind}")[0] == 0
    plugins = os.pathsep.join(f"my_{kind}.py" for kind in KINDS if kind != "figure")
    for arguments in (["."], ["--pyargs", "dfa_tune.testing"]):
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=folder,
            env=os.environ | ({"DFA_TUNE_PLUGINS": plugins} if "--pyargs" in arguments else {}),
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "passed" in ended.stdout

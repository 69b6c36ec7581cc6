"""Spaces that would take everything: refused at once, by a line that says why."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from dfa_tune.cli import app
from dfa_tune.errors import UserError
from dfa_tune.planning.sweep import parse_sweep
from dfa_tune.results import Store

BASE = {
    "name": "absurd",
    "problem": {"kind": "parity", "dataset": "digits", "k": 1},
    "training": {"epochs": 2},
    "methods": [{"rule": ["bp", "dfa"], "optimizer": "sgd"}],
    "learning_rates": {"sgd": [0.1, 0.2]},
}
HUNDRED = list(range(1, 101))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"repetitions": 1_000_000_000}, "2,000,000,004 trials"),
        (
            {"learning_rates": {"sgd": {"low": 1e-9, "high": 1.0, "points": 1_000_000_000}}},
            "2,000,000,006 trials",
        ),
        ({"tuning": {"refine": 1_000_000_000}}, "2,000,000,010 trials"),
        (
            {
                "problem": {"kind": "parity", "dataset": "digits", "k": HUNDRED, "train_samples": HUNDRED},
                "network": {"hidden": [[width] for width in HUNDRED]},
                "training": {"epochs": HUNDRED, "batch_size": HUNDRED},
            },
            "100,000,000,000 trials",
        ),
    ],
)
def test_a_billion_trials_are_refused_with_their_number(changes: dict, says: str) -> None:
    begin = time.process_time()
    with pytest.raises(UserError, match=says):
        parse_sweep(json.dumps(BASE | changes), "space.yaml")
    assert time.process_time() - begin < 2


def test_thousands_of_equal_methods_are_one_and_take_no_time() -> None:
    entry = {"rule": ["dfa"] * 15_000, "optimizer": ["sgd"] * 15_000, "feedback": ["uniform"] * 15_000}
    begin = time.process_time()
    assert len(parse_sweep(json.dumps(BASE | {"methods": [entry]}), "space.yaml").methods) == 1
    assert time.process_time() - begin < 5


def test_yaml_that_unfolds_to_billions_is_refused() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    begin = time.process_time()
    with pytest.raises(UserError, match="more than 50000 values"):
        parse_sweep(bomb, "space.yaml")
    assert time.process_time() - begin < 2


NAMES = [
    "../x",
    "/etc/x",
    "a/b",
    "a\\b",
    "..",
    ".",
    "",
    "~",
    "a b",
    "x\n",
    "con",
    "NUL",
    "com1",
    "LPT9",
    "a" * 101,
    "é",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_cannot_leave_the_results_folder_or_mean_a_device(name: str, tmp_path: Path) -> None:
    space = tmp_path / "in" / "space.yaml"
    space.parent.mkdir()
    space.write_text(yaml.safe_dump(BASE | {"name": name}))
    before = sorted(tmp_path.rglob("*"))
    for command in ("plan", "run", "status", "compact", "plot"):
        result = CliRunner().invoke(app, [command, str(space), "--results", str(tmp_path / "in" / "results")])
        assert result.exit_code == 2, (command, result.output)
        assert "name" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["../x", "/etc", "", ".", "a/b", "x\n"])
def test_a_store_has_no_such_name_either(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="results' name"):
        Store(tmp_path, name)


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system ['touch {0}']", "name: !!python/name:os.system ''"]
)
def test_yaml_executes_nothing(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not valid YAML"):
        parse_sweep(text.format(tmp_path / "executed"), "space.yaml")
    assert not list(tmp_path.iterdir())

"""What `dfa-tune plan` estimates for machines other than this one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dfa_tune.cli import app
from dfa_tune.orchestration.packs.time_estimate import START_SECONDS

SPACE = ["plan", "quickstart", "--set", "training.epochs=2000"]


def plan(*options: str, tmp_path: Path) -> str:
    done = CliRunner().invoke(app, [*SPACE, "--results", str(tmp_path), *options])
    assert done.exit_code == 0, done.output
    return done.output


def seconds(output: str) -> int:
    """Of the line "time about 1 h 20 min"."""
    found = re.search(r"time +about ([^(]+) on ", output)
    assert found is not None
    units = {"s": 1, "min": 60, "h": 3600, "day": 86400, "days": 86400}
    words = found[1].split()
    return sum(int(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))


def test_twice_the_machines_take_half_the_time(tmp_path: Path) -> None:
    one, two = (seconds(plan("--nodes", str(n), tmp_path=tmp_path)) for n in (1, 2))
    assert two - START_SECONDS == pytest.approx((one - START_SECONDS) / 2, abs=90)  # both in whole minutes


def test_more_machines_than_trials_gain_nothing(tmp_path: Path) -> None:
    many, more = (seconds(plan("--nodes", str(n), tmp_path=tmp_path)) for n in (1000, 2000))
    assert many == more


def test_a_price_for_an_hour_gives_the_cost(tmp_path: Path) -> None:
    output = plan("--nodes", "3", "--price", "2", tmp_path=tmp_path)
    found = re.search(r"cost +([\d.]+) machine hours: ([\d.]+) at 2 an hour", output)
    assert found is not None
    assert float(found[1]) == pytest.approx(3 * seconds(output) / 3600, abs=0.05)
    assert float(found[2]) == pytest.approx(2 * float(found[1]), abs=0.02)


def test_the_time_on_gpus_is_not_guessed(tmp_path: Path) -> None:
    assert "unknown: no trial of this space" in plan("--nodes", "2", "--gpus", "8", tmp_path=tmp_path)


def test_packs_are_cut_for_the_memory_of_all_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfa_tune.orchestration.cluster.session.available_cpus", lambda: 2)
    monkeypatch.setattr("dfa_tune.orchestration.packs.memory.available_memory", lambda: 4 * 2**30)
    many = ("--set", "learning_rates.sgd={low: 0.001, high: 1.0, points: 200}", "--nodes", "4")
    found = re.search(r"packs +(\d+) ready", plan(*many, "--set", "training.epochs=2", tmp_path=tmp_path))
    assert found is not None
    assert int(found[1]) < 100  # of more than 400 trials: a pack of one where memory were a single machine's

"""docs/CLUSTER.md says what the suite of hosts does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from test_hosts import CONFIGURED, WORKER_PORTS
from typer.testing import CliRunner

from dfa_tune.cli import app

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GUIDE = (ROOT / "docs" / "CLUSTER.md").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", GUIDE, re.M | re.S)
    return [line[2:] for line in "".join(blocks).splitlines() if line.startswith("$ ")]


def test_the_guides_commands_are_those_that_the_suite_runs() -> None:
    suite = (HERE / "test_hosts.py").read_text()
    beginnings = re.findall(r'documented\(\s*"([^"]+)"', suite)
    run = [command for command in commands() if any(command.startswith(text) for text in beginnings)]
    others = [command for command in commands() if command not in run]
    # The firewall is loaded on each host from its own place, without sudo
    assert others == ["sudo nft -f deploy/firewall.nft"]
    assert "nft -f {" in suite


@pytest.mark.parametrize("command", [text for text in commands() if text.startswith("dfa-tune")])
def test_the_guides_commands_and_options_exist(command: str) -> None:
    words = shlex.split(command)
    done = CliRunner().invoke(app, [words[1], "--help"], terminal_width=200)
    assert done.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in done.output


def test_the_guides_ports_are_those_that_are_looked_for_and_started_with() -> None:
    table = GUIDE[GUIDE.index("| port |") :].split("\n\n")[0]
    named: set[int] = set()
    for cell in re.findall(r"^\| (\d[^|]*) \|", table, re.M):
        for part in cell.split(","):
            first, _, last = part.strip().partition(" to ")
            named |= set(range(int(first), int(last or first) + 1))
    assert named - set(WORKER_PORTS) == CONFIGURED - {22}
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    for kind in ("head", "worker"):
        start = config[f"{kind}_start_ray_commands"][-1]
        assert {int(port) for port in re.findall(r"port=(\d+)", start)} <= named


def test_the_guide_names_no_option_that_plan_and_run_lack() -> None:
    helps = "".join(
        CliRunner().invoke(app, [name, "--help"], terminal_width=200).output
        for name in ("plan", "run", "submit", "jobs")
    )
    ours = {
        "--nodes",
        "--gpus",
        "--price",
        "--max-concurrent",
        "--gpus-per-pack",
        "--cpus-per-pack",
        "--stop",
    }
    for option in ours:
        assert option in GUIDE
        assert option in helps

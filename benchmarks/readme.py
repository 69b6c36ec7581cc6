"""Writes the README's table of benchmark figures from benchmarks/results.json.

    uv run python -m benchmarks.readme            # writes README.md
    uv run python -m benchmarks.readme --check    # writes nothing; exits with 1 if README.md would change

The tables are between two comments in the README. Nothing else is changed. The one of peers has a row for
each tool: wall times from `benchmarks/peers`, and what a kill cost from `benchmarks/kills.py`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers import TITLES, Command, commands

ROOT = Path(__file__).resolve().parent.parent
RESULTS, README = ROOT / "benchmarks" / "results.json", ROOT / "README.md"
WITHOUT_LIMITS = ("packs", "parts", "scaling", "7 start")  # of these, only figures with limits are shown
PEERS = ("peers", "kills")  # groups with a table of their own
PEERS_INTRODUCTION = """\
The same work with other tools, each with a plain PyTorch loop that reads batches from a DataLoader or from
tensors: wall time as a multiple of ours, lines besides the training loop, and what is trained a second time
when all is killed with `kill -9` after four tenths of the epochs and started again (`python -m benchmarks
peers kills`, one repeat):"""
BEGIN, END = "<!-- benchmarks: written by benchmarks/readme.py -->", "<!-- end of benchmarks -->"


def table(figures: list[dict[str, Any]]) -> str:
    """The figures with their limits in Markdown, and the machines that they were measured on."""
    machines: dict[str, None] = {}
    lines = ["| figure | measured | required | target |", "|---|---|---|---|"]
    for one in sorted(figures, key=lambda figure: str(figure["group"])):
        if one["quick"]:
            raise SystemExit(f"{one['name']}: measured with --quick; measure it in full first")
        without = PEERS if one["target"] else (*PEERS, *WITHOUT_LIMITS)
        if one["group"].startswith(without):
            continue
        machines[
            f"{one['machine']['cpu']}, {one['machine']['cores']} cores, torch {one['machine']['torch']}"
        ] = None
        sign = ">=" if one["at_least"] else "<="
        limits = [f"{sign} {limit:g} {one['unit']}".strip() for limit in one["target"] or ()] or ["", ""]
        missed = " (missed)" if one["verdict"] == "missed" else ""
        lines.append(f"| {one['name']} | {_value(one)}{missed} | {limits[0]} | {limits[1]} |")
    return "\n".join([f"Measured on {'; '.join(machines)}:", "", *lines])


def peers_table(figures: list[dict[str, Any]]) -> str:
    """Each tool's wall times as multiples of ours, the lines that its user writes, and the cost of a kill."""
    measured = {one["name"]: one for one in figures if one["group"].startswith(PEERS)}

    def found(*parts: str) -> str:
        named = [one for name, one in measured.items() if all(part in name for part in parts)]
        return _value(named[0]) if named else ""

    def killed(tool: str, title: str) -> str:
        about = f"{title}: {tool}, kill -9"
        epochs, trials = (found(about, what) for what in ("epochs trained", "finished trials"))
        return epochs and f"epochs: {epochs}, finished trials: {trials}"

    def row(one: Command) -> str:
        times = (
            found(f"{title}: {one.name} / dfa_tune" if one.loader else f"{title}: dfa_tune, wall")
            for title in TITLES.values()
        )
        kills = (killed(one.tool, title) if one.loader != "DataLoader" else "" for title in TITLES.values())
        return f"| {' | '.join([one.name, *times, found(f'writes: {one.tool}'), *kills])} |"

    heads = [*TITLES.values(), "lines written", *(f"{title}: trained again" for title in TITLES.values())]
    return "\n".join(
        [f"| | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|", *map(row, commands("short"))]
    )


def _value(one: dict[str, Any]) -> str:
    """The value with its unit; for accuracies, the difference with its interval."""
    if "difference" in one["measured"]:
        return f"{one['measured']['difference']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})"
    return f"{one['value']:.3g} {one['unit']}".strip()


def main() -> None:
    """Write the table into the README, or check it."""
    before = README.read_text()
    if BEGIN not in before or END not in before:
        raise SystemExit(f"{README.name} lacks the lines {BEGIN!r} and {END!r}")
    head, rest = before.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    figures = json.loads(RESULTS.read_text())["figures"]
    after = (
        f"{head}{BEGIN}\n\n{table(figures)}\n\n{PEERS_INTRODUCTION}\n\n{peers_table(figures)}\n\n{END}{tail}"
    )
    if "--check" in sys.argv[1:]:
        raise SystemExit(int(after != before))
    README.write_text(after)


if __name__ == "__main__":
    main()

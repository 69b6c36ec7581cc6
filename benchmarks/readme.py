"""Writes the README's table of benchmark figures from benchmarks/results.json.

    uv run python -m benchmarks.readme            # writes README.md
    uv run python -m benchmarks.readme --check    # writes nothing; exits with 1 if README.md would change

The table is between two comments in the README. Nothing else is changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS, README = ROOT / "benchmarks" / "results.json", ROOT / "README.md"
WITHOUT_LIMITS = ("packs", "parts", "scaling")  # of these groups, only figures with limits are shown
BEGIN, END = "<!-- benchmarks: written by benchmarks/readme.py -->", "<!-- end of benchmarks -->"


def table(figures: list[dict[str, Any]]) -> str:
    """The figures with their limits in Markdown, and the machines that they were measured on."""
    machines: dict[str, None] = {}
    lines = ["| figure | measured | required | target |", "|---|---|---|---|"]
    for one in sorted(figures, key=lambda figure: str(figure["group"])):
        if one["quick"]:
            raise SystemExit(f"{one['name']}: measured with --quick; measure it in full first")
        if one["target"] is None and one["group"] in WITHOUT_LIMITS:
            continue
        machines[
            f"{one['machine']['cpu']}, {one['machine']['cores']} cores, torch {one['machine']['torch']}"
        ] = None
        sign = ">=" if one["at_least"] else "<="
        limits = [f"{sign} {limit:g} {one['unit']}".strip() for limit in one["target"] or ()] or ["", ""]
        missed = " (missed)" if one["verdict"] == "missed" else ""
        lines.append(f"| {one['name']} | {_value(one)}{missed} | {limits[0]} | {limits[1]} |")
    return "\n".join([f"Measured on {'; '.join(machines)}:", "", *lines])


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
    after = f"{head}{BEGIN}\n\n{table(figures)}\n\n{END}{tail}"
    if "--check" in sys.argv[1:]:
        raise SystemExit(int(after != before))
    README.write_text(after)


if __name__ == "__main__":
    main()

"""What a benchmark returns: figures with their limits. How they are timed, printed and saved."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

REPEATS = 5  # a figure is made of medians of this many measurements


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number.

    `target` has two limits, first what is required, then the target itself; None: the number is shown for
    information. `at_least`: higher is better. `measured` holds the medians of which `value` is the ratio, in
    seconds. `low` and `high` are the lowest and highest of the single ratios.
    """

    group: str
    name: str
    value: float
    unit: str = "x"
    target: tuple[float, float] | None = None
    at_least: bool = False
    measured: Mapping[str, float] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    repeats: int = 1
    note: str = ""

    def reaches(self, limit: float) -> bool:
        """Whether the value meets `limit`."""
        return self.value >= limit if self.at_least else self.value <= limit

    @property
    def verdict(self) -> str:
        """ "target" or "required", whichever the value reaches; else "missed"."""
        if self.target is None:
            return ""
        required, target = self.target
        if self.reaches(target):
            return "target"
        return "required" if self.reaches(required) else "missed"


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turn(
    functions: Mapping[str, Callable[[], object]], repeats: int, warm: int = 1
) -> dict[str, list[float]]:
    """Wall seconds of each function, called alternately `repeats` times after `warm` rounds not counted.

    The speed of a machine drifts, so what is compared is measured side by side.
    """
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for repeat in range(warm + repeats):
        for name, function in functions.items():
            elapsed = seconds(function)
            if repeat >= warm:
                taken[name].append(elapsed)
    return taken


def beside(
    base: str,
    base_function: Callable[[], object],
    functions: Mapping[str, Callable[[], object]],
    repeats: int,
) -> dict[str, dict[str, list[float]]]:
    """As `in_turn`, but `base` is timed just before each other function: {name: {name: ..., base: ...}}."""
    taken: dict[str, dict[str, list[float]]] = {name: {name: [], base: []} for name in functions}
    for repeat in range(1 + repeats):
        for name, function in functions.items():
            pair = {base: seconds(base_function), name: seconds(function)}
            if repeat > 0:
                for key, elapsed in pair.items():
                    taken[name][key].append(elapsed)
    return taken


def ratio(
    group: str, name: str, taken: Mapping[str, Sequence[float]], above: str, below: str, **about: Any
) -> Figure:
    """The figure median(above) / median(below)."""
    singles = [a / b for a, b in zip(taken[above], taken[below], strict=True)]
    medians = {key: statistics.median(taken[key]) for key in (above, below)}
    return Figure(
        group=group,
        name=name,
        value=medians[above] / medians[below],
        measured=medians,
        low=min(singles),
        high=max(singles),
        repeats=len(singles),
        **about,
    )


def machine() -> dict[str, Any]:
    """The machine and versions that the figures were measured on."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "ray", "numpy", "pandas", "pyarrow")},
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def table(figures: Sequence[Figure], about: Mapping[str, Any]) -> Table:
    """The figures as a table for the terminal."""
    shown = Table(title=f"{about['cpu']}, {about['cores']} cores, torch {about['torch']}, ray {about['ray']}")
    for heading, side in (
        ("", "left"),
        ("figure", "left"),
        ("value", "right"),
        ("required", "right"),
        ("target", "right"),
        ("reached", "left"),
        ("range", "right"),
        ("n", "right"),
    ):
        shown.add_column(heading, justify=side)  # type: ignore[arg-type]
    for one in figures:
        sign = ">=" if one.at_least else "<="
        limits = [f"{sign} {limit:g}" for limit in one.target] if one.target else ["", ""]
        digits = 2 if one.unit else 4
        spread = f"{one.low:.{digits}f} .. {one.high:.{digits}f}" if one.low is not None else ""
        shown.add_row(one.group, one.name, number(one), *limits, one.verdict, spread, str(one.repeats))
    return shown


def number(one: Figure) -> str:
    """The value with its unit."""
    digits = 0 if abs(one.value) >= 100 else 2 if one.unit else 4  # accuracies have no unit
    return f"{one.value:,.{digits}f} {one.unit}"


def save(path: Path, figures: Sequence[Figure], about: Mapping[str, Any], quick: bool) -> None:
    """Add the figures to a JSON file, in place of its figures of the same groups."""
    kept: list[dict[str, Any]] = []
    if path.exists():
        groups = {figure.group for figure in figures}
        kept = [one for one in json.loads(path.read_text())["figures"] if one["group"] not in groups]
    new = [asdict(one) | {"verdict": one.verdict, "quick": quick, "machine": about} for one in figures]
    path.write_text(json.dumps({"figures": kept + new}, indent=1) + "\n")


def show(figures: Sequence[Figure], about: Mapping[str, Any]) -> None:
    """Print the table."""
    Console(width=150).print(table(figures, about))

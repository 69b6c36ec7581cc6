"""What a benchmark gives: figures, each with its target; timed in turn, as a table and as JSON."""

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

REPEATS = 5  # a figure is one of medians of at least so many


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number: what it is, what it should be, and from what it comes.

    `target` is first what must be reached, then what is wanted; None: shown for information. `at_least`:
    more is better. `measured` has the medians that a ratio is made of, in seconds; low and high are the
    extremes of the single ratios.
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
        """Whether the value is on the good side of `limit`."""
        return self.value >= limit if self.at_least else self.value <= limit

    @property
    def verdict(self) -> str:
        """Against the target."""
        if self.target is None:
            return ""
        must, wanted = self.target
        if self.reaches(wanted):
            return "as wanted"
        return "reached" if self.reaches(must) else "missed"


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turn(
    functions: Mapping[str, Callable[[], object]], repeats: int, warm: int = 1
) -> dict[str, list[float]]:
    """Wall seconds of each function, called in turn `repeats` times after `warm` rounds that do not count.

    In turn, because a machine's speed drifts: what is compared is measured side by side.
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
    """As `in_turn`, with `base` timed just before each of the others: {name: {name: ..., base: ...}}."""
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
    """What the figures were measured on."""
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
    """The figures as a person reads them."""
    shown = Table(title=f"{about['cpu']}, {about['cores']} cores, torch {about['torch']}, ray {about['ray']}")
    for heading, side in (
        ("", "left"),
        ("figure", "left"),
        ("value", "right"),
        ("must", "right"),
        ("wanted", "right"),
        ("", "left"),
        ("single values", "right"),
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
    """Add the figures to a JSON file: those of the same group that it has already are replaced."""
    kept: list[dict[str, Any]] = []
    if path.exists():
        groups = {figure.group for figure in figures}
        kept = [one for one in json.loads(path.read_text())["figures"] if one["group"] not in groups]
    new = [asdict(one) | {"verdict": one.verdict, "quick": quick, "machine": about} for one in figures]
    path.write_text(json.dumps({"figures": kept + new}, indent=1) + "\n")


def show(figures: Sequence[Figure], about: Mapping[str, Any]) -> None:
    """Print the table."""
    Console(width=150).print(table(figures, about))

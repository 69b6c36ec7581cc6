"""The axes of a sweep as a figure draws them.

A list of networks such as [64], [64, 64], [256], [256, 256] is drawn as two numeric axes: how many hidden
layers there are, and how wide they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dfa_tune.planning.sweep_results import SweepResults

LAYERS, WIDTH = "hidden_layers", "width"  # columns in place of `hidden`


def drawn_axes(results: SweepResults) -> list[str]:
    """The columns of the axes, with those of `with_layers` in place of `hidden` where they apply."""
    names = results.axis_names
    if "hidden" not in names or not _is_grid(results):
        return names
    networks = [_network(value) for value in results.axis_values("hidden")]
    several = [len({network[at] for network in networks}) > 1 for at in (0, 1)]
    apart = [name for name, vary in zip((WIDTH, LAYERS), reversed(several), strict=True) if vary]
    return [drawn for name in names for drawn in (apart if name == "hidden" else [name])]


def with_layers(table: pd.DataFrame) -> pd.DataFrame:
    """`table` with the number of hidden layers, and the width of the first one, as columns of their own."""
    networks = [_network(value) for value in table["hidden"]]
    return table.assign(**{LAYERS: [one[0] for one in networks], WIDTH: [one[1] for one in networks]})


def values_of(results: SweepResults, name: str, table: pd.DataFrame) -> list[Any]:
    """The values of a drawn axis in the order of figures, as far as they are in `table`."""
    present = set(table[name].dropna())
    order = results.axis_values(name) if name in results.axis_names else sorted(present)
    return [value for value in order if value in present]


def number(value: Any) -> float | None:
    """The value as a number, also of a single width "64"; None for booleans and all other text."""
    if isinstance(value, bool):
        return None
    return float(value) if isinstance(value, int | float) or str(value).isdecimal() else None


def places_of(values: Sequence[Any]) -> dict[Any, float]:
    """Where each value lies on an axis: at the number that it is; words lie one beside the other."""
    numbers = [number(value) for value in values]
    if None in numbers:
        return {value: float(at) for at, value in enumerate(values)}
    return {value: float(one or 0.0) for value, one in zip(values, numbers, strict=True)}


def length(results: SweepResults, name: str, table: pd.DataFrame) -> tuple[bool, int]:
    """By what the axis across is chosen: numbers before words, then how many values it has in `table`."""
    values = values_of(results, name, table)
    return len(values) > 1 and all(number(value) is not None for value in values), len(values)


def rows_at(table: pd.DataFrame, point: Mapping[str, Any]) -> pd.DataFrame:
    """The rows at a point; one with a null there is of a method that the axis does not concern."""
    for name, value in point.items():
        table = table[(table[name] == value) | table[name].isna()]
    return table


def _is_grid(results: SweepResults) -> bool:
    """Whether the layers of each network are equally wide, some network is deep, and no combination lacks."""
    values = results.axis_values("hidden")
    networks = {_network(value) for value in values}
    layers, widths = ({network[at] for network in networks} for at in (0, 1))
    equal = all(len(set(str(value).split(","))) == 1 for value in values)
    return equal and max(layers) > 1 and len(networks) == len(layers) * len(widths)


def _network(hidden: Any) -> tuple[int, int]:
    """Layers and first width of a network as its column has it: "64,64" is (2, 64)."""
    widths = str(hidden).split(",")
    return len(widths), int(widths[0])

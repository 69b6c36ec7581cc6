"""Which module draws the figure of a sweep, and the figures that plugins add.

Those of the bundled search spaces are `analysis/NAME.py`, loaded as the module `dfa_tune_figures.NAME`. They
belong to the thesis and not to the package, so they are loaded from the bundled folder by path. A module
there may import another one beside it: `from . import clusters`.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from matplotlib.figure import Figure

from dfa_tune.bundled import bundled
from dfa_tune.errors import UserError
from dfa_tune.planning.sweep import Sweep, load_sweep
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.plugins import Plugin, cause
from dfa_tune.registry import FIGURES

PACKAGE = "dfa_tune_figures"


def figure_module(sweep: Sweep) -> ModuleType | None:
    """The module of the sweep's figure; None if it has only the default one.

    The module has a function `figure(results)`, which returns a matplotlib Figure, and may have a function
    `extra(results, store, data)`: see `extras`. A plugin of the sweep's name is such a module. A sweep with
    another kind of problem than the bundled space has the default figure, as the module may show what only
    that kind has.
    """
    if FIGURES.plugin(sweep.name) is not None:
        return FIGURES.module(sweep.name)
    name = sweep.figure_name
    if name is None or not _file(name).is_file() or _kinds(load_sweep(name)) != _kinds(sweep):
        return None
    return load_module(name)


def load_module(name: str) -> ModuleType:
    """The module `dfa_tune_figures.NAME`, from the bundled file of that name."""
    if PACKAGE not in sys.modules:
        spec = ModuleSpec(PACKAGE, loader=None, is_package=True)
        spec.submodule_search_locations = [str(bundled("analysis"))]
        sys.modules[PACKAGE] = module_from_spec(spec)
    return importlib.import_module(f"{PACKAGE}.{name}")


def further_figures(sweep: Sweep) -> list[Plugin]:
    """The figures that a user has added, to be drawn beside the sweep's own."""
    return [plugin for plugin in FIGURES.named() if plugin.name != sweep.name]


def drawn_by(plugin: Plugin, results: SweepResults) -> Figure:
    """What the plugin draws; UserError where its function fails, or gives no figure."""
    try:
        drawn = FIGURES[plugin.name](results)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{plugin.place}: figure(results) failed: {cause(error)}") from error
    if not isinstance(drawn, Figure):
        raise UserError(
            f"{plugin.place}: figure(results) gave {type(drawn).__name__}; valid: a matplotlib Figure"
        )
    return drawn


def figure_source(name: str | None) -> bytes:
    """The text of that module; empty where there is none."""
    return _file(name).read_bytes() if name is not None and _file(name).is_file() else b""


def _kinds(sweep: Sweep) -> set[str]:
    return {point.problem.kind for point in sweep.points}


def _file(name: str) -> Path:
    return bundled("analysis") / f"{name}.py"

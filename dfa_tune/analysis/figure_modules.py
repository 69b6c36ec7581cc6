"""The figures of the bundled search spaces: `analysis/NAME.py`, loaded as the module `dfa_tune_figures.NAME`.

They belong to the thesis and not to the package, so they are loaded from the bundled folder by path. A module
there may import another one beside it: `from . import clusters`.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from dfa_tune.bundled import bundled
from dfa_tune.planning.sweep import Sweep, load_sweep

PACKAGE = "dfa_tune_figures"


def figure_module(sweep: Sweep) -> ModuleType | None:
    """The module of the sweep's figure; None if it has only the default one.

    The module has a function `figure(results)`, which returns a matplotlib Figure, and may have a function
    `extra(results, store, data)`: see `extras`. A sweep with another kind of problem than the bundled space
    has the default figure, as the module may show what only that kind has.
    """
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


def figure_source(name: str | None) -> bytes:
    """The text of that module; empty where there is none."""
    return _file(name).read_bytes() if name is not None and _file(name).is_file() else b""


def _kinds(sweep: Sweep) -> set[str]:
    return {point.problem.kind for point in sweep.points}


def _file(name: str) -> Path:
    return bundled("analysis") / f"{name}.py"

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

PACKAGE = "dfa_tune_figures"


def figure_module(name: str | None) -> ModuleType | None:
    """The module of the figure `name` (`Sweep.figure_name`); None without a name or a file of that name.

    It has a function `figure(results)`, which returns a matplotlib Figure, and may have a function
    `extra(results, store, data)`: see `extras`.
    """
    if name is None or not _file(name).is_file():
        return None
    if PACKAGE not in sys.modules:
        spec = ModuleSpec(PACKAGE, loader=None, is_package=True)
        spec.submodule_search_locations = [str(bundled("analysis"))]
        sys.modules[PACKAGE] = module_from_spec(spec)
    return importlib.import_module(f"{PACKAGE}.{name}")


def figure_source(name: str | None) -> bytes:
    """The text of that module; empty where there is none."""
    return _file(name).read_bytes() if name is not None and _file(name).is_file() else b""


def _file(name: str) -> Path:
    return bundled("analysis") / f"{name}.py"

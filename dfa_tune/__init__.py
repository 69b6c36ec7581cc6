"""Backpropagation against direct feedback alignment: tuned, repeated and plotted at scale.

    from dfa_tune import load_sweep, run_sweep
    from dfa_tune.analysis import load_results

    run_sweep("quickstart", results="results")
    rows = load_results("quickstart", "results")

Importing this package imports nothing heavy: each name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfa_tune.orchestration.driver.runner import Outcome, Resources, run_sweep
    from dfa_tune.planning.sweep import load_sweep
    from dfa_tune.registry import register

__version__ = "0.2.0.dev0"
__all__ = ["Outcome", "Resources", "__version__", "load_sweep", "register", "run_sweep"]

_HOMES = {
    "load_sweep": "dfa_tune.planning.sweep",
    "run_sweep": "dfa_tune.orchestration.driver.runner",
    "Outcome": "dfa_tune.orchestration.driver.runner",
    "Resources": "dfa_tune.orchestration.driver.runner",
    "register": "dfa_tune.registry",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `import dfa_tune` alone stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dfa_tune' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)

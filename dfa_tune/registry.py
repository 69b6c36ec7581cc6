"""What a search space can name: the modules of a package, found without importing them.

Each rule, optimizer, feedback initialisation, activation and problem is a module, and the module's name is
the name in a search space. Names are read from the files, because listing them must not import torch:
`dfa-tune plan`, and a `run` with nothing left to do, never need it. A module is imported when its entry is
asked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from dfa_tune.errors import UserError, did_you_mean


class Registry:
    """The entries of `package` by name: what each module has in its attribute `attribute`."""

    def __init__(self, package: str, attribute: str, kind: str) -> None:
        self.package, self.attribute, self.kind = package, attribute, kind

    def names(self) -> list[str]:
        """All names, sorted. A module whose name begins with an underscore is not an entry."""
        return _module_names(self.package)

    def __getitem__(self, name: str) -> Any:
        """The entry called `name`; raises UserError, with the valid names, if there is none."""
        if name not in self.names():
            raise UserError(self.unknown(name))
        return getattr(importlib.import_module(f"{self.package}.{name}"), self.attribute)

    def unknown(self, name: object) -> str:
        """The message for a name that is not an entry."""
        valid = self.names()
        return f"unknown {self.kind} {name!r}; valid: {', '.join(valid)}.{did_you_mean(name, valid)}"


@cache
def _module_names(package: str) -> list[str]:
    paths = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(paths) if not m.name.startswith("_"))


RULES = Registry("dfa_tune.learning.rules", "RULE", "rule")
OPTIMIZERS = Registry("dfa_tune.learning.optimizers", "Optimizer", "optimizer")
FEEDBACK = Registry("dfa_tune.learning.feedback", "sample", "feedback initialisation")
ACTIVATIONS = Registry("dfa_tune.learning.activations", "ACTIVATION", "activation")
PROBLEMS = Registry("dfa_tune.problems.kinds", "Problem", "problem")

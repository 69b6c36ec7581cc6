"""What a search space can name: the modules of a package, and those that plugins add.

Each rule, optimizer, feedback initialisation, activation and problem is a module, and the module's name is
the name in a search space. Names are read from the files, because listing them must not import torch:
`dfa-tune plan`, and a `run` with nothing left to do, never need it. A module is imported when its entry is
asked for.

Plugins are added by `register`, which `--plugin` calls, by the environment variable DFA_TUNE_PLUGINS, and by
the entry points of installed packages.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from dfa_tune import plugins
from dfa_tune.bundled import bundled
from dfa_tune.errors import UserError, did_you_mean
from dfa_tune.plugins import Plugin

Check = Callable[[Any], str]  # what an attribute should be, in words, where it is something else


class Registry:
    """The entries of one kind by name: what each module has in its attribute `attribute`.

    package: of the built-in modules
    kind: in words, for messages
    group: of the entry points with which installed packages add to them
    check: of a plugin's attribute
    """

    def __init__(self, package: str, attribute: str, kind: str, group: str, check: Check) -> None:
        self.package, self.attribute, self.kind, self.group = package, attribute, kind, group
        self._check = check
        self._added: dict[str, Plugin] = {}
        self._installed: dict[str, EntryPoint] = {}  # entry points that nobody has asked for yet
        self._named: list[str] = []  # of those added, the ones that a user has named

    def names(self) -> list[str]:
        """All names, sorted. A module whose name begins with an underscore is not an entry."""
        _find()
        return sorted({*self._built_in(), *self._added, *self._installed})

    def __getitem__(self, name: str) -> Any:
        """The entry called `name`; raises UserError, with the valid names, if there is none."""
        return getattr(self.module(name), self.attribute)

    def module(self, name: str) -> ModuleType:
        """The module of the entry `name`; raises UserError if there is none, or if it cannot be imported."""
        if (plugin := self.plugin(name)) is not None:
            module = plugin.load()
            self.check(plugin, module)
            return module
        if name not in self._built_in():
            raise UserError(self.unknown(name))
        return importlib.import_module(f"{self.package}.{name}")

    @property
    def has_plugins(self) -> bool:
        """Whether an entry comes from a plugin."""
        return bool(self._added or self._installed)

    def plugin(self, name: str | None) -> Plugin | None:
        """The plugin that the entry `name` comes from; None if it is built in, or there is none."""
        _find()
        if name in self._installed:
            self._added[name] = plugins.read_module(self._installed[name].module)
            del self._installed[name]
        return self._added.get(name or "")

    def named(self) -> list[Plugin]:
        """The plugins that a user has named, not those of installed packages, in their order."""
        _find()
        return [self._added[name] for name in self._named]

    def unknown(self, name: object) -> str:
        """The message for a name that is not an entry."""
        valid = self.names()
        hint = did_you_mean(name, valid) or " A plugin adds others: --plugin FILE.py."
        return f"unknown {self.kind} {name!r}; valid: {', '.join(valid)}.{hint}"

    def check(self, plugin: Plugin, module: ModuleType) -> None:
        """Raise UserError unless the plugin's module has what an entry of this kind needs."""
        if not hasattr(module, self.attribute):
            raise UserError(f"{plugin.place}: has no {self.attribute}, which a {self.kind} needs")
        found = getattr(module, self.attribute)
        if valid := self._check(found):
            raise UserError(f"{plugin.place}: {self.attribute} = {found!r:.60}; valid: {valid}")
        self.check_name(plugin.name, plugin.place)

    def check_name(self, name: str, place: str) -> None:
        """Raise UserError where the name is not valid, or if an entry from another place has it."""
        if not self._valid_name(name):
            raise UserError(
                f"{place}: {name!r} cannot be the name of a {self.kind}; valid: letters, digits and _,"
                " a letter first"
            )
        self._refuse_another(name, place)

    def add(self, plugin: Plugin) -> None:
        """Add what a user has named, and `check` has let pass."""
        self._installed.pop(plugin.name, None)
        self._added[plugin.name] = plugin
        if plugin.name not in self._named:
            self._named.append(plugin.name)

    def install(self, entry: EntryPoint) -> None:
        """Add what an installed package has; raises UserError where another place has one of its name."""
        package = f"the installed package {entry.dist.name if entry.dist else '?'}"
        above, _, name = entry.module.rpartition(".")
        if entry.attr or name != entry.name:
            raise UserError(
                f"{package}: its entry point {entry.name!r} of {self.group} is {entry.value!r}; valid: a"
                f" module of this name, such as {above or 'package'}.{entry.name}"
            )
        self._refuse_another(entry.name, f"module {entry.module}", f" of {package}")
        if entry.name not in self._added:
            self._installed[entry.name] = entry

    def use_only(self, added: Sequence[Plugin]) -> None:
        """Forget all plugins but these, and import them from their sources."""
        for plugin in added:
            plugins.import_from_sources(plugin)
        self._added = {plugin.name: plugin for plugin in added}
        self._installed, self._named = {}, []

    def _place(self, name: str) -> str | None:
        """Where the entry of this name comes from; None if there is none."""
        if name in self._built_in():
            return f"dfa_tune itself ({self.package}.{name})"
        if name in self._added:
            return self._added[name].place
        return f"module {self._installed[name].module}" if name in self._installed else None

    def _refuse_another(self, name: str, place: str, of: str = "") -> None:
        """Raise UserError if another place has an entry of this name."""
        if (other := self._place(name)) not in (None, place):
            raise UserError(
                f"{place}{of}: there is a {self.kind} {name!r} already, from {other}; rename one of them"
            )

    def _built_in(self) -> Sequence[str]:
        return _module_names(self.package)

    def _valid_name(self, name: str) -> bool:
        return plugins.valid_name(name)


class _Figures(Registry):
    """Figures: the built-in ones are those of the bundled search spaces, by the names of the spaces."""

    def _built_in(self) -> Sequence[str]:
        return [path.stem for path in bundled("search_spaces").glob("*.yaml")]

    def _valid_name(self, name: str) -> bool:
        return re.fullmatch("[A-Za-z0-9_-]+", name) is not None  # as that of a search space


@cache
def _module_names(package: str) -> list[str]:
    paths = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(paths) if not m.name.startswith("_"))


def _instance_of(package: str, name: str) -> Check:
    def check(found: Any) -> str:
        wanted = getattr(importlib.import_module(package), name)
        return "" if isinstance(found, wanted) else f"a {name}, from {package}"

    return check


def _subclass_of(package: str, name: str) -> Check:
    def check(found: Any) -> str:
        wanted = getattr(importlib.import_module(package), name)
        good = isinstance(found, type) and issubclass(found, wanted)
        return "" if good else f"a subclass of {name}, from {package}"

    return check


def _function(found: Any) -> str:
    return "" if callable(found) else "a function"


def _problem(found: Any) -> str:
    wrong = _subclass_of("dfa_tune.problems.settings", "ProblemSettings")(getattr(found, "Settings", None))
    return f"a class whose attribute Settings is {wrong}" if wrong else ""


RULES = Registry(
    "dfa_tune.learning.rules",
    "RULE",
    "rule",
    "dfa_tune.rules",
    _instance_of("dfa_tune.learning.rules", "Rule"),
)
OPTIMIZERS = Registry(
    "dfa_tune.learning.optimizers",
    "Optimizer",
    "optimizer",
    "dfa_tune.optimizers",
    _subclass_of("dfa_tune.learning.optimizers", "Base"),
)
FEEDBACK = Registry(
    "dfa_tune.learning.feedback", "sample", "feedback initialisation", "dfa_tune.feedback", _function
)
ACTIVATIONS = Registry(
    "dfa_tune.learning.activations",
    "ACTIVATION",
    "activation",
    "dfa_tune.activations",
    _instance_of("dfa_tune.learning.activations", "Activation"),
)
PROBLEMS = Registry("dfa_tune.problems.kinds", "Problem", "problem", "dfa_tune.problems", _problem)
FIGURES = _Figures("dfa_tune_figures", "figure", "figure", "dfa_tune.figures", _function)
REGISTRIES = (RULES, OPTIMIZERS, FEEDBACK, ACTIVATIONS, PROBLEMS, FIGURES)


def register(named: str | Path) -> list[str]:
    """Add what a Python file or module holds to what search spaces can name; returns it in words.

    named: the path of a .py file, or the name of a module that can be imported. It holds one or more of
        `RULE`, `Optimizer`, `sample`, `ACTIVATION`, `Problem` and `figure`, as the built-in modules do, and
        its own name, that of the file without .py, is the name in a search space. A file that has changed
        may be registered again: from then on its new text counts.

    Raises UserError where it cannot be imported, holds none of these, or has the name of another one.
    """
    _find()
    return _register(named)


def _register(named: str | Path) -> list[str]:
    plugin = plugins.read(named)
    if plugin.is_file:
        plugins.import_from_sources(plugin)
    else:
        _forget_changed(plugin)
    module = plugin.load()
    held = [registry for registry in REGISTRIES if hasattr(module, registry.attribute)]
    if not held:
        *first, last = (registry.attribute for registry in REGISTRIES)
        raise UserError(f"{plugin.place}: holds nothing to add; valid: one of {', '.join(first)} and {last}")
    for registry in held:
        registry.check(plugin, module)
    for registry in held:
        registry.add(plugin)
    return [f"{registry.kind} {plugin.name}" for registry in held]


def _forget_changed(plugin: Plugin) -> None:
    """Import the modules of a package again if they have changed since it was registered."""
    before = next((r._added[plugin.name] for r in REGISTRIES if plugin.name in r._added), plugin)
    if before.digest != plugin.digest and before.place == plugin.place:
        importlib.invalidate_caches()
        for name in before.files:
            sys.modules.pop(name, None)


def any_plugins() -> bool:
    """Whether there is any plugin, of any kind."""
    _find()
    return any(registry.has_plugins for registry in REGISTRIES)


def used(names: Mapping[Registry, Iterable[str | None]]) -> dict[str, list[Plugin]]:
    """The plugins among the entries of these names, by the kind of the entry: {"rule": [...]}."""
    found = {
        registry.kind: [p for name in dict.fromkeys(of) if (p := registry.plugin(name)) is not None]
        for registry, of in names.items()
    }
    return {kind: plugins for kind, plugins in found.items() if plugins}


def use_only(given: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Have these plugins and no others, imported from their sources, as a worker does.

    given: by kind ("rule"), each as `Plugin.to_json`. What this machine has installed, or names in its
        environment, could be something else, so it is not looked at. Raises UserError where a plugin cannot
        be imported here.
    """
    global _found
    _found = True
    for registry in REGISTRIES:
        registry.use_only([Plugin.from_json(one) for one in given.get(registry.kind, ())])
    for registry in REGISTRIES:
        for one in given.get(registry.kind, ()):
            registry.module(one["name"])


_found = False


def _find() -> None:
    """Once in a process: add the plugins of the environment variable and of installed packages."""
    global _found
    if _found:
        return
    _found = True  # now: a plugin may look something up while it is imported
    try:
        for named in filter(None, os.environ.get(plugins.ENVIRONMENT, "").split(os.pathsep)):
            try:
                _register(named)
            except UserError as error:
                raise UserError(f"{plugins.ENVIRONMENT}: {error}") from None
        installed = entry_points()
        for registry in REGISTRIES:
            for entry in installed.select(group=registry.group):
                registry.install(entry)
    except UserError:
        _found = False
        raise

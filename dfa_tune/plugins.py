"""Code that users add from outside the package: one module, as its sources, imported where it is needed.

A plugin is a file that is named by its path, or a module of an installed package. Its sources are read
once. They are what its digest is made of, and what travels to workers: editing a file while a sweep runs
changes nothing in that sweep.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from dfa_tune.errors import UserError

ENVIRONMENT = "DFA_TUNE_PLUGINS"  # the plugins of this shell, separated as the folders in PATH
FILE_MODULE = "dfa_tune_plugin_"  # begins the module name of a file, so that it hides no other module
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class SourceFile:
    """The text of one module. `path` is where it was read; `package`: whether it is an `__init__.py`."""

    path: str
    text: str
    package: bool = False


@dataclass(frozen=True)
class Plugin:
    """A module that somebody adds.

    name: its last part, which is its name in a search space
    module: its name in Python
    place: where it comes from: the absolute path of a file, or "module lab.mine"
    files: the sources of the file, or of all modules in the module's top-level package, by name in Python
    """

    name: str
    module: str
    place: str
    files: Mapping[str, SourceFile]

    @cached_property
    def digest(self) -> str:
        """12 hex characters that identify the sources, and not where they lie."""
        sha = hashlib.sha256()
        for name, file in sorted(self.files.items()):
            sha.update(f"{name}\0{file.package}\0{file.text}\0".encode())
        return sha.hexdigest()[:12]

    @property
    def is_file(self) -> bool:
        """Whether it is a file of its own, and not a module of a package."""
        return self.module.startswith(FILE_MODULE)

    def load(self) -> ModuleType:
        """The imported module; raises UserError where importing it fails."""
        try:
            return importlib.import_module(self.module)
        except (Exception, SystemExit) as error:
            raise UserError(f"{self.place}: cannot be imported: {cause(error)}") from error

    def to_json(self) -> dict[str, Any]:
        """The plugin as JSON types; `from_json` restores it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Plugin:
        """The plugin that `to_json` gave."""
        files = {name: SourceFile(**file) for name, file in content["files"].items()}
        return cls(content["name"], content["module"], content["place"], files)


def read(named: str | Path) -> Plugin:
    """The plugin that a user names: the path of a .py file, or the name of a module that can be imported.

    A file stands for itself: a module beside it is not found. Raises UserError where there is no such file
    or module. Nothing is executed but the packages that contain the module.
    """
    text = str(named)
    if isinstance(named, Path) or text.endswith(".py") or "/" in text or "\\" in text:
        return _read_file(Path(text))
    return read_module(text)


def _read_file(path: Path) -> Plugin:
    try:
        text = _text(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix != ".py":
        raise UserError(f"{path}: valid: the path of a Python file (.py), or the name of a module")
    # Another text is another module, and so is a file of the same name elsewhere
    module = f"{FILE_MODULE}{path.stem}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    place = str(path.resolve())
    return Plugin(path.stem, module, place, {module: SourceFile(place, text)})


def read_module(module: str) -> Plugin:
    """As `read`, of a module by its name in Python, "lab.mine"."""
    parts = module.split(".")
    try:
        spec = find_spec(module) if all(part.isidentifier() for part in parts) else None
    except ModuleNotFoundError:
        spec = None
    except Exception as error:  # raised by a package that contains it
        raise UserError(f"module {module}: cannot be imported: {cause(error)}") from error
    if spec is None:
        file = Path(f"{module}.py")
        hint = f"; to name the file here: {file}" if file.is_file() else "; valid: FILE.py, or a module"
        raise UserError(f"{module}: no module of this name can be imported{hint}")
    top = find_spec(parts[0])
    assert top is not None
    return Plugin(parts[-1], module, f"module {module}", _sources(top))


def _sources(top: ModuleSpec) -> dict[str, SourceFile]:
    """The sources of a module, or of a package with all that is in it; compiled modules have none."""
    if top.submodule_search_locations is None:
        path = Path(str(top.origin))
        return {top.name: SourceFile(str(path), _text(path))} if path.suffix == ".py" else {}
    found = {}
    for folder in map(Path, top.submodule_search_locations):
        for path in sorted(folder.rglob("*.py")):
            parts = [top.name, *path.relative_to(folder).with_suffix("").parts]
            package = parts[-1] == "__init__"
            found[".".join(parts[:-1] if package else parts)] = SourceFile(str(path), _text(path), package)
    return found


def _text(path: Path) -> str:
    """The text of a Python file, its lines ending in \\n."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8 (byte {error.start})") from None


def valid_name(name: str) -> bool:
    """Whether a rule or another part of a method may be called so: "-" separates the parts of its name."""
    return _NAME.fullmatch(name) is not None


def cause(error: BaseException) -> str:
    """An error in a plugin in one line, with the place in its source."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    first = str(error).strip().splitlines()[:1]
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not _ours_or_pythons(frame.filename)
    ]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return ": ".join([type(error).__name__, *first]) + where


def _ours_or_pythons(file: str) -> bool:
    return file.startswith("<") or Path(file).is_relative_to(Path(__file__).parent)


class _Sources(MetaPathFinder, ExecutionLoader):
    """Imports modules from sources that are given, before Python looks for them in its folders."""

    def __init__(self) -> None:
        self._files: dict[str, SourceFile] = {}

    def give(self, files: Mapping[str, SourceFile]) -> None:
        """Import these modules from these sources, even those that were imported already from others."""
        for name, file in files.items():
            if self._files.get(name) != file:
                sys.modules.pop(name, None)
        self._files |= files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec; None where its sources were not given."""
        return spec_from_loader(fullname, self) if fullname in self._files else None

    def get_source(self, fullname: str) -> str:
        """The text; Python shows its lines in a traceback."""
        return self._files[fullname].text

    def get_filename(self, fullname: str) -> str:
        """The path at which the text was read, perhaps on another machine."""
        return self._files[fullname].path

    def is_package(self, fullname: str) -> bool:
        """Whether it contains other modules."""
        return self._files[fullname].package


_GIVEN = _Sources()


def import_from_sources(plugin: Plugin) -> None:
    """From now on import the plugin's modules from its sources, whatever is in Python's folders."""
    if _GIVEN not in sys.meta_path:
        sys.meta_path.insert(0, _GIVEN)
    _GIVEN.give(plugin.files)

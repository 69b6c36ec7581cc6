"""From the text of a YAML file, and the `--set` options on top of it, to mappings and lists.

What the values mean is checked elsewhere. The file may come from a stranger: only plain data are
constructed. A key that is given twice is refused, where YAML would ignore the first one, and so are
aliases that expand to more values than any search space needs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from dfa_tune.errors import UserError

MAX_BYTES = 256 * 1024  # the largest bundled space has 2 kB
MAX_NODES = 50_000  # values, with all aliases expanded

# Numbers as people write them, in place of YAML 1.1's, which reads 1e-3 as text, 1:30 as 90 and 010 as 8
_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0|[1-9][\d_]*|0x[\da-fA-F_]+|0b[01_]+)$", re.ASCII),
    "tag:yaml.org,2002:float": re.compile(
        r"[-+]?(?:(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.(?:inf|Inf|INF))$"
        r"|\.(?:nan|NaN|NAN)$",
        re.ASCII,
    ),
}
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Loader(yaml.SafeLoader):
    pass


class _Dumper(yaml.SafeDumper):
    pass


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NUMBERS]
        for first, resolvers in _class.yaml_implicit_resolvers.items()
    }
    for _tag, _pattern in _NUMBERS.items():
        _class.add_implicit_resolver(_tag, _pattern, list("-+.0123456789"))


def read(path: Path) -> str:
    """The text of the file; raises UserError where it cannot be read."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise UserError(f"{path}: cannot be read: not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES // 1024} kB, too large for a search space")
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8 (byte {error.start})") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def parse(text: str, where: str) -> Any:
    """The value that the YAML means, no two parts of it one object; `where` names the text in messages."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _check(root, where, {})
        return _unshared(loader.construct_document(root))
    except yaml.YAMLError as error:
        raise UserError(f"{_place(error, where)}: not valid YAML: {_reason(error)}") from None
    except RecursionError:
        raise UserError(f"{where}: nested too deeply") from None
    except ValueError as error:  # a date or number that does not exist, such as 2024-13-45
        raise UserError(f"{where}: not valid YAML: {str(error).splitlines()[0]}") from None


def dump(document: Any) -> str:
    """The document as YAML; `parse` reads it back."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def override(document: dict[str, Any], options: Sequence[str], origin: str = "--set") -> dict[str, str]:
    """Apply each "a.b=value" to `document`; returns the paths that were set, each with its option as given.

    A path may name new keys, and entries of lists by their index; whether a key is known is validated
    later. `origin` says where the options come from. Raises UserError where a path leads nowhere.
    """
    done = {}
    for option in options:
        key, equals, value = option.partition("=")
        path, where = _path(key.strip()), f"{origin} {option}"
        if not equals or not all(path):
            raise UserError(f"{where}: valid: {origin} KEY=VALUE, as in {origin} training.epochs=2")
        _put(document, path, parse(value, where), where)
        done[".".join(path)] = where
    return done


def _path(key: str) -> list[str]:
    parts = key.split(".")
    if parts[:2] in (["tuning", "at"], ["tuning", "with"]) and len(parts) > 2:
        return [*parts[:2], ".".join(parts[2:])]  # their keys are dotted themselves
    return parts


def _put(document: Any, path: list[str], value: Any, where: str) -> None:
    for depth, part in enumerate(path):
        here, last = ".".join(path[:depth]), depth == len(path) - 1
        key: Any = part
        if isinstance(document, list):
            if not (part.isascii() and part.isdigit() and int(part) < len(document)):
                raise UserError(
                    f"{where}: {here} is a list; valid after it: 0 to {len(document) - 1}, not {part!r}"
                )
            key = int(part)
        elif not isinstance(document, dict):
            raise UserError(f"{where}: {here} is {document!r}, which has no key {part!r}; set {here} itself")
        elif not last and document.get(part) is None:
            document[part] = {}
        if last:
            document[key] = value
        else:
            document = document[key]


def _check(node: yaml.Node, where: str, sizes: dict[int, int]) -> int:
    """The number of values that `node` expands to; raises UserError for bad keys and for too many values."""
    if id(node) in sizes:
        if sizes[id(node)] < 0:
            raise UserError(f"{_at(node, where)}: an alias that contains itself")
        return sizes[id(node)]
    sizes[id(node)] = -1
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(node, where)
    if isinstance(node, yaml.MappingNode):
        _check_keys(node, where)
    children = [child for pair in node.value for child in pair] if isinstance(node, yaml.MappingNode) else []
    children += node.value if isinstance(node, yaml.SequenceNode) else []
    size = 1 + sum(_check(child, where, sizes) for child in children)
    if size > MAX_NODES:
        raise UserError(f"{_at(node, where)}: more than {MAX_NODES} values, aliases expanded")
    sizes[id(node)] = size
    return size


def _check_scalar(node: yaml.ScalarNode, where: str) -> None:
    if surrogate := _SURROGATE.search(node.value):
        raise UserError(f"{_at(node, where)}: a character that is no text, U+{ord(surrogate[0]):04X}")
    # Results store whole numbers in 64 bits
    if node.tag == "tag:yaml.org,2002:int" and abs(int(node.value.replace("_", ""), 0)) >= 2**63:
        raise UserError(f"{_at(node, where)}: {node.value} does not fit in 64 bits")


def _check_keys(node: yaml.MappingNode, where: str) -> None:
    seen = set()
    for key, _ in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.tag != "tag:yaml.org,2002:str":
            shown = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            raise UserError(
                f"{_at(key, where)}: the key {shown} is not text; put it in quotes if you mean it"
            )
        if key.value in seen:
            raise UserError(f"{_at(key, where)}: the key {key.value!r} is given twice")
        seen.add(key.value)


def _unshared(value: Any) -> Any:
    """A copy in which no two places share an object, so that `--set` changes only the place it names."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def _at(node: yaml.Node, where: str) -> str:
    return f"{where}, line {node.start_mark.line + 1}"


def _place(error: yaml.YAMLError, where: str) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark else where


def _reason(error: yaml.YAMLError) -> str:
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return str(reason).splitlines()[0]

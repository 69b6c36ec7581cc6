"""Validation with messages that name the file, the path of the key, the value and what would be valid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from dfa_tune.errors import UserError, did_you_mean

Path = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)
_ABSENT = object()
_MAX_LINES = 4  # messages at once; later ones often follow from the first

# What would be valid, by the type of pydantic's error
_VALID = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "list_type": "a list",
    "tuple_type": "a list",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "a list of at least {min_length}",
    "too_long": "at most {max_length} of them",
    "string_too_long": "at most {max_length} characters",
    "literal_error": "{expected}",
    "enum": "{expected}",
}


@dataclass(frozen=True)
class Source:
    """Where values come from: a file, and options ("--set a=b") by the dotted path that each of them set."""

    file: str
    options: Mapping[str, str] = field(default_factory=dict)

    def error(self, path: Path, reason: str, value: Any = _ABSENT) -> UserError:
        """The error that names the file, the option that set `path` if one did, `path` and its value."""
        return UserError(self._line(path, reason, value))

    def validate(self, model: type[Model], data: Any, path: Path = ()) -> Model:
        """`data` as an instance of `model`, or UserError. `path` is the place of `data` in the file."""
        if isinstance(data, dict):
            self._refuse_booleans_as_numbers(model, data, path)
        try:
            return model.model_validate(data)
        except ValidationError as error:
            lines = list(self._lines(model, data, path, error))
        more = [f"... and {len(lines) - _MAX_LINES} more"] if len(lines) > _MAX_LINES else []
        raise UserError("\n".join(lines[:_MAX_LINES] + more)) from None

    def _line(self, path: Path, reason: str, value: Any = _ABSENT) -> str:
        dotted = ".".join(map(str, path))
        option = next((o for key, o in self.options.items() if _same_branch(key, dotted)), None)
        parts = [self.file if option is None else f"{self.file} with {option}"]
        if dotted:
            parts.append(dotted if value is _ABSENT else f"{dotted} = {shown(value)}")
        return ": ".join([*parts, reason])

    def _refuse_booleans_as_numbers(self, model: type[BaseModel], data: dict[str, Any], path: Path) -> None:
        """Reject booleans where a number is wanted, and vice versa; pydantic would convert them."""
        for name, about in model.model_fields.items():
            if name not in data or about.annotation is Any:
                continue
            value, kinds = data[name], set(leaf_types(about.annotation))
            if isinstance(value, bool) and bool not in kinds and kinds & {int, float}:
                number = "a number" if float in kinds else "a whole number"
                raise self.error((*path, name), f"valid: {number}", value)
            if kinds == {bool} and not isinstance(value, bool):
                raise self.error((*path, name), "valid: true or false", value)

    def _lines(self, model: type[BaseModel], data: Any, path: Path, error: ValidationError) -> Iterable[str]:
        # For a union, pydantic reports an error for each member: gather them under the path they share
        reasons: dict[Path, list[str]] = {}
        for item in error.errors(include_url=False):
            place = _existing(item["loc"], data)
            if item["type"] in ("missing", "extra_forbidden"):
                place = item["loc"]
            reasons.setdefault(place, []).append(_reason(item, model, place))
        for place, found in reasons.items():
            plain = [reason for reason in found if not reason.startswith("valid: ")]
            valid = " or ".join(dict.fromkeys(reason.removeprefix("valid: ") for reason in found))
            yield self._line(
                (*path, *place),
                plain[0] if plain else f"valid: {valid}{_nearest_quoted(_value(place, data), valid)}",
                _value(place, data),
            )


def shown(value: Any) -> str:
    """A value as YAML writes it, cut to 60 characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def unknown_key(key: object, valid: Iterable[str]) -> str:
    """The reason to give for a key that is not among the `valid` ones."""
    valid = list(valid)
    return f"unknown key; valid: {', '.join(valid)}.{did_you_mean(key, valid)}"


def _reason(item: Any, model: type[BaseModel], place: Path) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "missing":
        return "missing, and there is no default"
    if kind == "extra_forbidden":
        fields = _model_at(place[:-1], model).model_fields
        return unknown_key(place[-1], (field.alias or name for name, field in fields.items()))
    if kind == "value_error":
        return str(context["error"])
    if kind in _VALID:
        return "valid: " + _VALID[kind].format(**context)
    return str(item["msg"])


def _model_at(place: Path, model: type[BaseModel]) -> type[BaseModel]:
    """The model that `place` lies in, within `model`; of a union, its first member."""
    for key in place:
        if isinstance(key, str) and key in model.model_fields:
            leaves = leaf_types(model.model_fields[key].annotation)
            models = [leaf for leaf in leaves if isinstance(leaf, type) and issubclass(leaf, BaseModel)]
            model = models[0] if models else model
    return model


def _nearest_quoted(value: Any, valid: str) -> str:
    hint = did_you_mean(value, re.findall(r"'([^']+)'", valid)) if isinstance(value, str) else ""
    return hint and f".{hint}"


def _existing(location: Path, data: Any) -> Path:
    """The part of pydantic's location that exists in the data; what follows names members of a union."""
    for depth, key in enumerate(location):
        if not _has(data, key):
            return location[:depth]
        data = data[key]
    return location


def _value(place: Path, data: Any) -> Any:
    for key in place:
        if not _has(data, key):
            return _ABSENT
        data = data[key]
    return data if place else _ABSENT


def _has(data: Any, key: Any) -> bool:
    if isinstance(data, list):
        return isinstance(key, int) and key < len(data)
    return isinstance(data, dict) and key in data


def leaf_types(annotation: Any) -> Iterable[Any]:
    """The types that an annotation allows, without None."""
    parts = get_args(annotation)[:1] if hasattr(annotation, "__metadata__") else get_args(annotation)
    if not parts:
        return [] if annotation is type(None) else [annotation]
    return [leaf for part in parts for leaf in leaf_types(part)]


def _same_branch(key: str, dotted: str) -> bool:
    return dotted == key or dotted.startswith(f"{key}.") or key.startswith(f"{dotted}.")

"""The JSON schema of search spaces, with which an editor completes keys and marks mistakes.

    python -m dfa_tune.config.json_schema > search_spaces/space.schema.json

It is made of the models that validate a space. Keys are strict. Names of rules, optimizers and so on are
offered, but others are valid too, since plugins add some.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from dfa_tune.bundled import bundled
from dfa_tune.config.claims import KINDS, Term
from dfa_tune.config.grid import NEVER_AXES
from dfa_tune.config.key_texts import text
from dfa_tune.config.schema import MethodEntry, RateRange, Repetitions, Space
from dfa_tune.learning.settings import Network, Training, optimizer_options
from dfa_tune.registry import ACTIVATIONS, FEEDBACK, OPTIMIZERS, PROBLEMS, RULES, Registry

FILE = "space.schema.json"
Schema = dict[str, Any]


def schema_path() -> Path:
    """Where the schema is that comes with the library: beside the bundled spaces."""
    return bundled("search_spaces") / FILE


def space_schema() -> Schema:
    """The schema of a search space's file (JSON Schema, draft 2020-12)."""
    definitions: Schema = {}
    own = _model(Space, "", definitions)
    names = OPTIMIZERS.names()
    own["properties"] |= {
        "problem": _problem(),
        "network": _group(Network, "network", {"activation": _names(ACTIVATIONS)}),
        "training": _group(Training, "training"),
        "methods": {"type": "array", "minItems": 1, "items": _method()},
        "learning_rates": _open({name: _rates() for name in names}),
        "optimizers": _open({name: _group(optimizer_options(name), "optimizers") for name in names}),
        "repetitions": {"anyOf": [{"type": "integer", "minimum": 1}, _model(Repetitions, "repetitions")]},
        "claims": {"type": "array", "items": {"anyOf": [_claim(kind) for kind in KINDS]}},
    }
    for name, about in own["properties"].items():
        about.setdefault("description", text(name))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A search space of dfa_tune",
        **{key: value for key, value in own.items() if key not in ("title", "description")},
        **({"$defs": definitions} if definitions else {}),
    }


def _model(model: type[BaseModel], path: str, definitions: Schema | None = None) -> Schema:
    """pydantic's schema, with the texts of the keys and without its titles."""
    made = model.model_json_schema()
    for name, about in made.pop("$defs", {}).items():
        if definitions is not None:
            definitions[name] = _described(about, f"{path}.{name.lower()}".strip("."))
    made.pop("description", None)
    return _described(made, path)


def _described(made: Schema, path: str) -> Schema:
    made.pop("title", None)
    for name, about in made.get("properties", {}).items():
        about.pop("title", None)
        if said := text(f"{path}.{name}".strip(".")):
            about["description"] = said
    return made


def _group(model: type[BaseModel], path: str, names: Schema | None = None) -> Schema:
    """A group whose values may be axes: each key takes a value, or a list of values."""
    made = _model(model, path)
    for name, about in made["properties"].items():
        said = about.pop("description", "")
        default = {"default": about.pop("default")} if about.get("default") is not None else {}
        value = (names or {}).get(name, about)
        if name == "hidden":
            value = {"anyOf": [about["items"], about]}  # one width is one layer
        if f"{path}.{name}" not in NEVER_AXES:
            value = {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}
        made["properties"][name] = {"description": said} | default | value
    return made


def _problem() -> Schema:
    kinds = {name: _group(PROBLEMS[name].Settings, "problem") for name in PROBLEMS.names()}
    for made in kinds.values():
        del made["properties"]["kind"]
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": _names(PROBLEMS) | {"description": text("problem.kind")}},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": name}}},
                "then": {
                    "properties": {"kind": True, **made["properties"]},
                    "additionalProperties": False,
                },
            }
            for name, made in kinds.items()
        ],
    }


def _method() -> Schema:
    made = _model(MethodEntry, "methods")
    registries = {"rule": RULES, "optimizer": OPTIMIZERS, "feedback": FEEDBACK}
    for name, registry in registries.items():
        several = {"type": "array", "minItems": 1, "items": _names(registry)}
        made["properties"][name] = {
            "description": text(f"methods.{name}"),
            "anyOf": [_names(registry), several],
        }
    made["properties"]["learning_rate"] = _rates() | {"description": text("methods.learning_rate")}
    return made


def _rates() -> Schema:
    rate = {"type": "number", "exclusiveMinimum": 0}
    several = {"type": "array", "minItems": 1, "items": rate}
    return {"anyOf": [rate, several, _model(RateRange, "")]}


def _claim(kind: str) -> Schema:
    made = _model(KINDS[kind], "claims")
    made["required"] = [name for name in made["required"] if name != "space"]
    if "sum" in made["properties"]:
        keys: Schema = {name: {} for name in _model(Term, "")["properties"]}
        made["properties"]["sum"]["items"] = {
            "type": "object",
            "properties": keys,
            "additionalProperties": False,
        }
    return made


def _names(registry: Registry) -> Schema:
    return {"anyOf": [{"enum": registry.names()}, {"type": "string"}]}


def _open(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(space_schema(), indent=1, ensure_ascii=False) + "\n")

"""Docstrings explain arguments in lines such as `rows: of finished trials`; the site shows them as a list."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Arguments(griffe.Extension):
    """Makes a list of the paragraphs that explain the parameters of a function or the fields of a class."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every object, once its members are known."""
        if obj.docstring is None:
            return
        names = set(obj.members)
        if isinstance(obj, griffe.Function):
            names = {parameter.name for parameter in obj.parameters}
        elif isinstance(obj, griffe.Class) and (made := obj.members.get("__init__")) is not None:
            names |= {parameter.name for parameter in getattr(made, "parameters", ())}
        obj.docstring.value = listed(obj.docstring.value, names)


def listed(text: str, names: set[str]) -> str:
    """The text with a list in place of each paragraph whose first line explains one of the `names`."""
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n\n".join(_list(one, names) if _explains(one, names) else one for one in paragraphs)


def _explains(line: str, names: set[str]) -> bool:
    found = re.match(r"([\w, ]+): \S", line)
    return found is not None and set(found[1].split(", ")) <= names


def _list(paragraph: str, names: set[str]) -> str:
    # One line may explain several: "trial_ids: only these; columns: only these, in this order"
    text = re.sub(r"; (?=(\w+): )", lambda found: "\n" if found[1] in names else found[0], paragraph)
    items: list[str] = []
    for line in text.splitlines():
        if _explains(line, names):
            given, _, said = line.partition(": ")
            items.append("- " + ", ".join(f"`{name}`" for name in given.split(", ")) + f": {said}")
        else:
            items[-1] += f" {line.strip()}"
    return "\n".join(items)

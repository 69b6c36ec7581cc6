"""What a results folder says of all that is in it: options of the bundled spaces, as `--set` has them.

    # settings.yaml
    fig_3_4: [training.precision=bfloat16]

Every command that is given the folder applies them before its own options: what was trained with
`--set` is then continued, drawn and judged without repeating it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import RootModel

from dfa_tune.config import yaml_file
from dfa_tune.config.validation import Source
from dfa_tune.errors import UserError, did_you_mean

FILE = "settings.yaml"


class _File(RootModel[dict[str, list[str]]]):
    """Options by the space's name."""


class Settings(NamedTuple):
    """The options that `file` has for a space, "training.precision=bfloat16"."""

    file: str = FILE
    options: Sequence[str] = ()


NO_OVERRIDES = Settings()


def settings(results: str | Path, space: str, known: Sequence[str]) -> Settings:
    """What the folder says of the bundled space of this name; no options where it has no such file.

    Raises UserError where the file is not a mapping from `known` names to lists of options.
    """
    from dfa_tune.results.storage import open_storage  # brings pandas, which a search space does without

    storage = open_storage(results)
    name = storage.full(FILE)
    try:
        text = storage.read(FILE, yaml_file.MAX_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        return NO_OVERRIDES
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not text in UTF-8 (byte {error.start})") from None
    document = yaml_file.parse(text, name)
    if not isinstance(document, dict):
        raise UserError(f"{name}: valid: a mapping from names of spaces to lists of options")
    found = Source(name).validate(_File, document).root
    if unknown := found.keys() - set(known):
        wrong = min(unknown)
        raise UserError(
            f"{name}: {wrong}: no bundled space; valid: {', '.join(known)}.{did_you_mean(wrong, known)}"
        )
    return Settings(name, found.get(space, []))

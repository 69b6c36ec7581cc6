"""The overrides of a results folder: options for bundled spaces, as `--set` takes them.

    # settings.yaml
    fig_3_4: [training.precision=bfloat16]

Every command that is given the folder applies them before its own options. Trials that were run with
`--set` are then continued, plotted and judged without repeating the option.
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
    """Options by the name of their space."""


class Overrides(NamedTuple):
    """Options for one space ("training.precision=bfloat16"), and the file that has them."""

    options: Sequence[str] = ()
    file: str = FILE


NO_OVERRIDES = Overrides()


def folder_overrides(results: str | Path, space: str, bundled: Sequence[str]) -> Overrides:
    """The options that the results folder has for the bundled space `space`; none without a settings file.

    Raises UserError where the file is not a mapping from names of `bundled` spaces to lists of options.
    """
    from dfa_tune.results.storage import open_storage  # imports pandas, which a search space does not need

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
    by_space = Source(name).validate(_File, document).root
    if unknown := by_space.keys() - set(bundled):
        wrong = min(unknown)
        raise UserError(
            f"{name}: {wrong}: no bundled space; valid: {', '.join(bundled)}.{did_you_mean(wrong, bundled)}"
        )
    return Overrides(by_space.get(space, []), name)

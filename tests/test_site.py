"""What the documentation has from the code: every command, key, public name and figure is in it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import typer.main

import dfa_tune
from dfa_tune.cli import app
from dfa_tune.config.json_schema import space_schema

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    """The hook of mkdocs."""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "hooks" / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def filled(pages: ModuleType, page: str) -> str:
    """The Markdown of a page of docs/, generated parts included."""
    text = (ROOT / "docs" / page).read_text()
    made: str = pages.on_page_markdown(text, SimpleNamespace(file=SimpleNamespace(src_uri=page)))
    assert "<!-- generated" not in made
    return made


def test_every_command_is_documented_with_its_options_and_example(pages) -> None:
    text = filled(pages, "reference/commands.md")
    commands = typer.main.get_command(app).commands
    for name, command in commands.items():
        if command.hidden:
            continue
        part = text.split(f"\n### dfa-tune {name}\n")[1].split("\n### ")[0]
        options = [one.opts[-1] for one in command.params if one.param_type_name == "option"]
        assert [option for option in options if f"`{option}" not in part and option != "--help"] == []
        assert command.epilog.removeprefix("Example: ") in part


def test_every_key_of_a_space_is_documented(pages) -> None:
    text = filled(pages, "reference/spaces.md")
    own = space_schema()["properties"]
    names = [
        *own,
        *(f"{group}.{name}" for group in ("network", "training") for name in own[group]["properties"]),
    ]
    for branch in own["problem"]["allOf"]:
        names += [f"problem.{name}" for name in branch["then"]["properties"] if name != "kind"]
    assert [name for name in names if f"| `{name}` |" not in text] == []
    assert (
        "| `network.hidden` | the width of the hidden layer, or a list of widths; a list of lists is an axis"
        in text
    )
    assert "| `training.device` | auto: a GPU where there is one | `auto`, `cpu`, `cuda` | `auto` |" in text


def test_every_public_name_is_documented(pages) -> None:
    text = filled(pages, "reference/api.md")
    for name in dfa_tune.__all__:
        value = getattr(dfa_tune, name)
        if not name.startswith("__"):
            assert f"::: {value.__module__}.{value.__qualname__}\n" in text
    for line in text.splitlines():
        if line.startswith("::: "):
            module, _, name = line.removeprefix("::: ").rpartition(".")
            value = getattr(importlib.import_module(module), name)
            assert inspect.getdoc(value), line


def test_the_gallery_has_every_figure_of_the_committed_results(pages) -> None:
    text = filled(pages, "gallery.md")
    figures = {path.parts[-3] for path in (ROOT / "docs" / "results").glob("*/figures/*.png")}
    assert figures
    assert [name for name in figures if f"dfa-tune plot {name} " not in text] == []


def test_a_page_that_the_contents_leave_out_comes_last(pages) -> None:
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    nav = pages.on_config({"nav": [{"Start": "index.md"}, {"How to": [{"Claims": "CLAIMS.md"}]}]})["nav"]
    assert nav[-1] == {"More": sorted(there - {"index.md", "CLAIMS.md"})}
    assert pages.on_config({"nav": sorted(there)})["nav"] == sorted(there)


def test_lines_that_explain_arguments_become_a_list() -> None:
    pytest.importorskip("griffe")
    spec = importlib.util.spec_from_file_location("arguments", ROOT / "docs" / "hooks" / "arguments.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "What it does: this.\n\nrows, more: of trials\n    that ended; known: names\nRaises: an error"
    expected = (
        "What it does: this.\n\n- `rows`, `more`: of trials that ended\n- `known`: names Raises: an error"
    )
    assert module.listed(text, {"rows", "more", "known"}) == expected

"""The pages do not lie: links lead somewhere, and the commands, files and names that they mention exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from click import Command

from dfa_tune.cli import app
from dfa_tune.results.schema import SCHEMA

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])
COMMANDS: dict[str, Command] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
ARCHITECTURE = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
SOURCES = "\n".join(path.read_text() for path in sorted((ROOT / "dfa_tune").rglob("*.py")))

page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(markdown: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(markdown: str) -> list[str]:
    """Each code span, and each line of a code block with its continuation lines."""
    blocks = re.findall(r"```\w*\n(.*?)```", markdown, re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL))
    return [*spans, *(line for block in blocks for line in block.replace("\\\n", " ").splitlines())]


def exists(name: str) -> bool:
    """Whether a file or folder is called so, from the checkout, the package or one of its folders."""
    tops = [ROOT, ROOT / "dfa_tune", ROOT / "dfa_tune" / "orchestration"]
    return any((top / name).exists() for top in tops) or any((ROOT / "dfa_tune").rglob(name))


@page
def test_every_link_leads_to_a_file_and_a_heading_of_it(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = page.parent / file if file else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked.read_text()), target


@page
def test_every_command_exists_with_the_options_that_are_shown(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # names what older versions had
    for line in code(page.read_text()):
        for name, rest in re.findall(r"\bdfa-tune +([a-z]+)\b([^|&;#]*)", line):
            assert name in COMMANDS, line
            known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
            assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) <= known | {"--help"}, line


@page
def test_every_script_that_is_run_is_there(page: Path) -> None:
    for line in code(page.read_text()):
        for script in re.findall(r"\b(?:python3?|bash) ((?!-)\S+/\S+)", line):
            assert (ROOT / script).is_file(), line
        for module in re.findall(r"\bpython3? -m (benchmarks\S*)", line):
            path = ROOT / module.replace(".", "/")
            assert path.is_dir() or path.with_suffix(".py").is_file(), line


@page
def test_every_test_that_is_named_exists(page: Path) -> None:
    for name in re.findall(r"`(tests/[\w./]+)", page.read_text()):
        assert (ROOT / name).exists(), name


def test_every_file_that_the_architecture_names_exists() -> None:
    spans = re.findall(r"`([\w./-]+)`", ARCHITECTURE)
    diagram = re.findall(r"[\w./-]+", ARCHITECTURE.split("```")[1])
    files = {name for name in [*spans, *diagram] if re.search(r"/$|\.(py|yaml|json|md)$", name)}
    of_a_sweep = {"settings.yaml", "results/fig_3_4/epochs/", "rungs/"}  # in a results folder
    assert len(files) > 30
    assert sorted(name for name in files - of_a_sweep if not exists(name)) == []


def test_every_class_and_function_that_the_architecture_names_is_defined() -> None:
    spans = re.findall(r"`((?:[A-Za-z_]+\.)*[A-Za-z_]+)(?:\(\))?`", ARCHITECTURE)
    code_names = [span for span in spans if re.match(r"[A-Z]|.*_", span) and not re.search(r"\.\w\w$", span)]
    diagram = re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", ARCHITECTURE.split("```")[1])
    names = {part for name in [*code_names, *diagram] for part in name.split(".")}
    assert len(names) > 15
    found = re.findall(r"(?:class|def) (\w+)|^ *(\w+)(?:: .*)?(?: = |$)", SOURCES, re.MULTILINE)
    defined = {name for groups in found for name in groups}
    assert sorted(names - defined) == []


def test_the_dictionary_of_columns_has_every_column_in_order_with_its_type() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\w ]+) \|", (ROOT / "docs" / "COLUMNS.md").read_text(), re.MULTILINE)
    names = {"double": "float64", "list<element: double>": "list of float64"}
    assert rows == [(field.name, names.get(str(field.type), str(field.type))) for field in SCHEMA]

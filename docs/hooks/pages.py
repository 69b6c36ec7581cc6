"""What of the documentation is made from the code: commands, keys of a space, Python names, the gallery.

mkdocs calls `on_config`, `on_files` and `on_page_markdown`. A page says where its part goes:
`<!-- generated: NAME -->`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer.main

from dfa_tune.cli import app
from dfa_tune.config.json_schema import FILE, schema_path, space_schema
from dfa_tune.planning.sweep import load_sweep, space_names

ROOT = Path(__file__).resolve().parents[2]
# Pages at the top of the repository that belong to the documentation too
OUTSIDE = ("CONTRIBUTING.md", "CHANGELOG.md")
# What users import, by chapter; a module means its `__all__`, or else its public classes and functions
PUBLIC: dict[str, list[str]] = {
    "Run and read": ["dfa_tune", "dfa_tune.analysis"],
    "Sweeps, plans and results": [
        "dfa_tune.planning.sweep.Sweep",
        "dfa_tune.planning.plan.Plan",
        "dfa_tune.planning.trial.Trial",
        "dfa_tune.planning.sweep_results",
        "dfa_tune.results.store.Store",
        "dfa_tune.errors.UserError",
    ],
    "Tables and figures": [
        "dfa_tune.analysis.tables",
        "dfa_tune.analysis.figures.draw",
        "dfa_tune.analysis.contrast.figure",
        "dfa_tune.analysis.rates_by.figure",
        "dfa_tune.analysis.report.report",
    ],
    "Claims": ["dfa_tune.analysis.verify.verify", "dfa_tune.analysis.judging.Judged"],
    "Statistics": ["dfa_tune.analysis.statistics", "dfa_tune.analysis.sequential"],
    "Export": ["dfa_tune.analysis.export.runs"],
    "To extend": [
        "dfa_tune.learning.rules._rule.Rule",
        "dfa_tune.learning.backward.Context",
        "dfa_tune.learning.optimizers._base.Base",
        "dfa_tune.learning.activations._activation.Activation",
        "dfa_tune.problems.settings.ProblemSettings",
        "dfa_tune.problems.epoch_sample.EpochSample",
        "dfa_tune.problems.streams",
        "dfa_tune.testing",
    ],
}


def on_config(config: Any) -> Any:
    """Adds the pages to the contents that mkdocs.yml does not list, as its last part."""
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    if more := sorted(there - _listed(config["nav"])):
        config["nav"].append({"More": more})
    return config


def _listed(nav: Any) -> set[str]:
    """The pages in a part of the contents."""
    if isinstance(nav, str):
        return {nav}
    parts = nav.values() if isinstance(nav, dict) else nav
    return set[str]().union(*map(_listed, parts))


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that lie outside of docs/, and the JSON schema."""
    from mkdocs.structure.files import File

    for name in OUTSIDE:
        files.append(File.generated(config, name, content=(ROOT / name).read_text(encoding="utf-8")))
    files.append(File.generated(config, FILE, content=schema_path().read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fills in the generated parts, and turns links as the repository has them into links of the site."""
    made: dict[str, Callable[[], str]] = {
        "commands": lambda: "\n".join(_commands()),
        "spaces": lambda: "\n".join(_spaces()),
        "api": lambda: "\n".join(_api()),
        "gallery": lambda: "\n".join(_gallery()),
    }
    markdown = re.sub(r"<!-- generated: (\w+) -->", lambda found: made[found[1]](), markdown)
    if page.file.src_uri in OUTSIDE:
        return re.sub(r"\]\(docs/", "](", markdown)
    markdown = re.sub(rf"\]\(\.\./({'|'.join(map(re.escape, OUTSIDE))})", r"](\1", markdown)
    # A folder of results is no page, nor is another file outside of docs/
    markdown = re.sub(r"\[([^\]]*)\]\(results\)", r"`docs/results`", markdown)
    return re.sub(r"\[[^\]]*\]\(\.\./([^)]*)\)", r"`\1`", markdown)


def _commands() -> Iterator[str]:
    """Every command with its arguments, options and example, by the panels of `--help`."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    panels: dict[str, list[Any]] = {}
    for command in commands.values():
        if not command.hidden:
            panels.setdefault(command.rich_help_panel, []).append(command)
    for panel, members in panels.items():
        yield f"\n## {panel}\n"
        for command in members:
            parameters = [one for one in command.params if "--help" not in one.opts]
            arguments = " ".join(
                one.metavar if one.required else f"[{one.metavar}]"
                for one in parameters
                if one.param_type_name == "argument"
            )
            yield f"\n### dfa-tune {command.name}\n\n{command.help}\n"
            yield f"```\ndfa-tune {command.name} {arguments}\n```\n"
            if parameters:
                yield "| option | what it does | default |\n|---|---|---|"
            for one in parameters:
                name = one.metavar if one.param_type_name == "argument" else one.opts[-1]
                value = f" {one.metavar}" if one.param_type_name == "option" and one.metavar else ""
                shown = "" if one.default in (None, False, ()) or one.required else f"`{_text(one.default)}`"
                yield f"| `{name}{value}` | {one.help or ''} | {shown} |".replace("auto|N", "auto\\|N")
            yield f"\n{command.epilog.replace('Example: ', 'Example: `')}`\n"


def _text(default: Any) -> str:
    return str(getattr(default, "value", default))


def _spaces() -> Iterator[str]:
    """The keys with what they mean, their values and their defaults, from the JSON schema."""
    schema = space_schema()
    groups = {
        name: about
        for name, about in schema["properties"].items()
        if name in ("network", "training", "tuning")
    }
    yield from ("## Top level\n", *_head())
    for name, about in schema["properties"].items():
        kind = {"type": "object"} if "$ref" in about else {}  # a group, as the others
        yield _row(name, about | kind, required=name in schema["required"])
    for branch in schema["properties"]["problem"]["allOf"]:
        kind = branch["if"]["properties"]["kind"]["const"]
        yield from (f"\n## `problem` of kind `{kind}`\n", *_head())
        for name, about in branch["then"]["properties"].items():
            if name != "kind":
                yield _row(f"problem.{name}", about)
    for group, about in groups.items():
        about = _resolved(about, schema)
        yield from (f"\n## `{group}`\n", *_head())
        for name, own in about["properties"].items():
            yield _row(f"{group}.{name}", _resolved(own, schema))
    yield from ("\n## An entry of `methods`\n", *_head())
    method = schema["properties"]["methods"]["items"]
    for name, about in method["properties"].items():
        yield _row(name, about, required=name in method["required"])
    yield "\n## `optimizers`\n"
    yield "| optimizer | options and defaults |\n|---|---|"
    for name, about in schema["properties"]["optimizers"]["properties"].items():
        options = [
            f"`{key}: {own['default']}`" for key, own in about["properties"].items() if "default" in own
        ]
        yield f"| `{name}` | {', '.join([*options, '`weight_decay`'])} |"


def _head() -> list[str]:
    return ["| key | what it means | values | default |", "|---|---|---|---|"]


def _row(name: str, about: dict[str, Any], required: bool = False) -> str:
    default = about.get("default")
    plain = default not in (None, "", []) and not isinstance(default, dict)  # groups have tables of their own
    shown = "required" if required else f"`{_yaml(default)}`" if plain else ""
    return f"| `{name}` | {about.get('description', '')} | {_values(about)} | {shown} |"


def _yaml(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:  # of hidden: one width
        return _yaml(value[0])
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _values(about: dict[str, Any]) -> str:
    """The values that a key takes, in words; whether it may be an axis."""
    kinds = about.get("anyOf", [about])
    if "enum" in about:
        kinds = [about]
    axis = len(kinds) > 1 and kinds[-1].get("type") == "array" and kinds[-1].get("items") == kinds[0]
    words: list[str] = []
    for kind in kinds[:-1] if axis else kinds:
        words += [_values(kind)] if "anyOf" in kind else _words(kind)
    said = " or ".join(dict.fromkeys(filter(None, words)))
    return f"{said}; or a list: an axis" if axis else said


def _words(kind: dict[str, Any]) -> list[str]:
    if "enum" in kind:
        return [", ".join(f"`{one}`" for one in kind["enum"])]
    if "const" in kind:
        return [f"`{kind['const']}`"]
    type_ = kind.get("type", "")
    if type_ == "array":
        return [f"a list of: {_values(kind.get('items', {}))}"] if kind.get("items") else ["a list"]
    names = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "`true`, `false`",
    }
    names |= {"object": "a mapping", "null": ""}
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {kind[key]:g}" for key, sign in bounds.items() if key in kind and abs(kind[key]) < 1e6]
    return [" ".join([names.get(type_, ""), ", ".join(limits)]).strip()]


def _resolved(about: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The definition that a reference means, with what stands beside the reference."""
    for one in (about, *about.get("anyOf", [])):
        if "$ref" in one:
            return schema["$defs"][one["$ref"].rpartition("/")[2]] | {
                key: value for key, value in about.items() if key not in ("$ref", "anyOf")
            }
    return about


def public_names(dotted: str) -> list[str]:
    """The full names that an entry of PUBLIC stands for."""
    try:
        module = importlib.import_module(dotted)
    except ModuleNotFoundError:
        return [dotted]
    if hasattr(module, "__all__"):
        return [_home(module, name) for name in module.__all__ if not name.startswith("__")]
    return [
        f"{dotted}.{name}"
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == dotted
    ]


def _home(module: Any, name: str) -> str:
    value = getattr(module, name)
    return f"{value.__module__}.{value.__qualname__}"


def _api() -> Iterator[str]:
    """A directive of mkdocstrings for each public name."""
    for chapter, entries in PUBLIC.items():
        yield f"\n## {chapter}\n"
        for entry in entries:
            for name in public_names(entry):
                yield f"\n::: {name}\n"


def _gallery() -> Iterator[str]:
    """The figure of each bundled space that has one in the repository, with its commands."""
    for name in space_names():
        figure = f"results/{name}/figures/{name}.png"
        if (ROOT / "docs" / figure).is_file():
            title = load_sweep(name).title
            yield f"\n## {title}\n\n[![{title}]({figure}){{ loading=lazy }}]({figure})\n"
            yield f"```\ndfa-tune run {name}"
            yield f"dfa-tune plot {name} --results docs/results   # from the committed results\n```\n"
    yield "\n## Any other space\n"
    yield "![Learning rates tried, accuracy by epoch and final accuracy](images/quickstart.png)\n"
    yield "```\ndfa-tune run quickstart\n```\n"

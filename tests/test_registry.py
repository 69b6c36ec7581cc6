"""Plugins: where they come from, which of them are refused, and what their sources decide."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dfa_tune import registry
from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import Sweep, load_sweep, plugins_json
from dfa_tune.registry import ACTIVATIONS, FEEDBACK, FIGURES, OPTIMIZERS, RULES, register

RULE = (
    "from dfa_tune.learning.rules import Rule\n"
    "RULE = Rule(transport=lambda weight, feedback: weight.sign())\n"
)
ACTIVATION = (
    "from dfa_tune.learning.activations import Activation\n"
    "ACTIVATION = Activation(value=lambda a: a, derivative=None)\n"
)
METHODS = "methods=[{rule: [bp, mine], optimizer: sgd, learning_rate: 0.1}]"

pytestmark = pytest.mark.usefixtures("no_plugins")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The file of a rule."""
    path = tmp_path / "mine.py"
    path.write_text(RULE)
    return path


def ids(space: Path, *overrides: str) -> dict[str, str]:
    """The id of each method's first repetition."""
    plan = Plan(load_sweep(space, overrides=(METHODS, *overrides)))
    return {cell.method.name: cell.repeats[0].id for cell in plan.cells}


# -- files ---------------------------------------------------------------------------------------


def test_a_file_adds_what_it_holds_under_its_own_name(mine: Path) -> None:
    mine.write_text(RULE + ACTIVATION)
    assert register(mine) == ["rule mine", "activation mine"]
    assert "mine" in RULES.names()
    assert RULES["mine"].transport is not None
    assert ACTIVATIONS["mine"].derivative is None
    assert "mine" not in OPTIMIZERS.names()


def test_only_trials_that_use_a_plugin_have_its_digest_in_their_ids(space: Path, mine: Path) -> None:
    before = {cell.method.name: cell.repeats[0].id for cell in Plan(load_sweep(space, overrides=(
        "methods=[{rule: bp, optimizer: sgd, learning_rate: 0.1}]",))).cells}  # fmt: skip
    register(mine)
    first = ids(space)
    assert first["bp-sgd"] == before["bp-sgd"]
    mine.write_text(RULE + "# another text\n")
    register(mine)
    second = ids(space)
    assert second["bp-sgd"] == first["bp-sgd"]
    assert second["mine-sgd"] != first["mine-sgd"]


def test_an_activation_and_one_that_a_rule_brings_count_too(space: Path, mine: Path, tmp_path: Path) -> None:
    bent = tmp_path / "bent.py"
    bent.write_text(ACTIVATION)
    mine.write_text(RULE.replace("Rule(", "Rule(activation='bent', "))
    register(bent)
    register(mine)
    first, everywhere = ids(space), ids(space, "network.activation=bent")
    bent.write_text(ACTIVATION + "# another text\n")
    register(bent)
    second, after = ids(space), ids(space, "network.activation=bent")
    assert (second["bp-sgd"], second["mine-sgd"]) != (first["bp-sgd"], first["mine-sgd"])
    assert second["bp-sgd"] == first["bp-sgd"]
    assert {name for name in after if after[name] != everywhere[name]} == {"bp-sgd", "mine-sgd"}


def test_an_activation_that_only_tuning_tries_travels_too(space: Path, tmp_path: Path) -> None:
    (tmp_path / "bent.py").write_text(ACTIVATION)
    register(tmp_path / "bent.py")
    sweep = load_sweep(space, overrides=["tuning.with={network.activation: [relu, bent]}"])
    assert [plugin.name for plugin in sweep.plugins["activation"]] == ["bent"]


def test_a_digest_depends_on_the_text_and_not_on_the_folder(mine: Path, tmp_path: Path) -> None:
    register(mine)
    first = RULES.plugin("mine")
    (tmp_path / "elsewhere").mkdir()
    moved = mine.rename(tmp_path / "elsewhere" / "mine.py")
    for one in registry.REGISTRIES:
        one.use_only([])
    register(moved)
    second = RULES.plugin("mine")
    assert first is not None
    assert second is not None
    assert (first.digest, len(first.digest)) == (second.digest, 12)


def test_a_file_whose_text_has_changed_counts_when_it_is_registered_again(mine: Path) -> None:
    register(mine)
    assert not RULES["mine"].direct
    mine.write_text(RULE.replace("Rule(", "Rule(direct=True, "))
    assert not RULES["mine"].direct
    register(mine)
    assert RULES["mine"].direct


REFUSED = {
    "a syntax error": ("mine", "RULE = (\n", "mine.py: cannot be imported: line 1: '(' was never closed"),
    "an error": ("mine", "x = 1\nRULE = y\n", "NameError: name 'y' is not defined (mine.py, line 2)"),
    "an exit": ("mine", "raise SystemExit('no')\n", "cannot be imported: SystemExit: no"),
    "nothing to add": ("mine", "rule = 1\n", "holds nothing to add; valid: one of RULE, Optimizer, sample"),
    "a rule that is none": ("mine", "RULE = {}\n", "RULE = {}; valid: a Rule, from dfa_tune.learning.rules"),
    "an optimizer that is none": ("mine", "class Optimizer: pass\n", "valid: a subclass of Base, from dfa"),
    "feedback that is none": ("mine", "sample = 3\n", "sample = 3; valid: a function"),
    "a problem without settings": ("mine", "class Problem: pass\n", "attribute Settings is a subclass of"),
    "a name with a hyphen": ("my-rule", RULE, "'my-rule' cannot be the name of a rule; valid: letters"),
    "a built-in name": ("dfa", RULE, "there is a rule 'dfa' already, from dfa_tune itself (dfa_tune."),
    "a bundled figure": ("fig_3_4", "def figure(results): pass\n", "there is a figure 'fig_3_4' already"),
    "a byte that is no text": ("mine", "x = '\udcff'\n", "mine.py: not text in UTF-8 (byte 5)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, case: str) -> None:
    name, text, message = REFUSED[case]
    path = tmp_path / f"{name}.py"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(UserError) as refused:
        register(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert all(one.plugin(path.stem) is None for one in registry.REGISTRIES)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.py: no such file"):
        register(str(tmp_path / "mine.py"))


def test_a_second_file_of_the_same_name_is_refused_with_both_places(mine: Path, tmp_path: Path) -> None:
    register(mine)
    other = tmp_path / "other" / "mine.py"
    other.parent.mkdir()
    other.write_text(RULE)
    with pytest.raises(UserError) as refused:
        register(other)
    assert str(refused.value) == f"{other}: there is a rule 'mine' already, from {mine}; rename one of them"
    other.write_text(ACTIVATION)  # another kind may have the name
    assert register(other) == ["activation mine"]
    assert RULES.plugin("mine").place == str(mine)


def test_an_unknown_name_says_how_to_add_one() -> None:
    assert RULES.unknown("xyz").endswith(" A plugin adds others: --plugin FILE.py.")


# -- modules, the environment, installed packages ------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `lab` on the import path: `lab.mine` has a rule that `lab.shared` helps with."""
    folder = tmp_path / "site" / "lab"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "shared.py").write_text("def transport(weight, feedback): return weight.sign()\n")
    (folder / "mine.py").write_text(
        "from dfa_tune.learning.rules import Rule\nfrom lab.shared import transport\n"
        "RULE = Rule(transport=transport)\n"
    )
    monkeypatch.syspath_prepend(folder.parent)
    return folder


def install(lab: Path, *entries: str) -> None:
    """Make `lab` an installed package with these entry points of dfa_tune.rules."""
    about = lab.parent / "lab-1.0.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("\n".join(["[dfa_tune.rules]", *entries]) + "\n")


def test_a_module_is_named_as_python_does_and_counts_with_its_whole_package(lab: Path) -> None:
    assert register("lab.mine") == ["rule mine"]
    plugin = RULES.plugin("mine")
    assert plugin.place == "module lab.mine"
    assert set(plugin.files) == {"lab", "lab.mine", "lab.shared"}
    (lab / "shared.py").write_text("def transport(weight, feedback): return -weight.sign()\n")
    register("lab.mine")
    assert RULES.plugin("mine").digest != plugin.digest
    assert "-weight" in (Path(RULES["mine"].transport.__code__.co_filename).read_text())


@pytest.mark.parametrize("name", ["lab.no", "no.such.module", "no such module", "..lab"])
def test_a_module_that_is_not_there_is_named(lab: Path, name: str) -> None:
    with pytest.raises(UserError) as refused:
        register(name)
    assert (
        str(refused.value) == f"{name}: no module of this name can be imported; valid: FILE.py, or a module"
    )


def test_a_file_that_is_named_without_its_suffix_is_suggested(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.parent)
    with pytest.raises(UserError, match=r"to name the file here: mine\.py"):
        register("mine")


def test_the_environment_names_plugins_as_path_names_folders(
    mine: Path, lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bent = tmp_path / "bent.py"
    bent.write_text(ACTIVATION)
    monkeypatch.setenv("DFA_TUNE_PLUGINS", os.pathsep.join([str(bent), "lab.mine"]))
    assert "bent" in ACTIVATIONS.names()
    assert RULES.plugin("mine").place == "module lab.mine"
    with pytest.raises(UserError, match=r"already, from module lab\.mine"):
        register(mine)


def test_an_error_in_the_environment_says_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFA_TUNE_PLUGINS", "no.py")
    for _ in range(2):
        with pytest.raises(UserError, match=r"^DFA_TUNE_PLUGINS: no\.py: no such file$"):
            RULES.names()


def test_installed_packages_are_found_by_their_entry_points(lab: Path) -> None:
    install(lab, "mine = lab.mine")
    assert "mine" in RULES.names()
    assert "lab.mine" not in sys.modules  # names are known without an import
    assert RULES["mine"].transport is not None
    assert RULES.plugin("mine").place == "module lab.mine"
    assert register("lab.mine") == ["rule mine"]  # the same place


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("dfa = lab.dfa", "module lab.dfa of the installed package lab: there is a rule 'dfa' already"),
        ("mine = lab.shared", "its entry point 'mine' of dfa_tune.rules is 'lab.shared'; valid: a module"),
        ("mine = lab.mine:RULE", "entry point 'mine' of dfa_tune.rules is 'lab.mine:RULE'; valid: a module"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_refused(lab: Path, entry: str, message: str) -> None:
    install(lab, entry)
    with pytest.raises(UserError) as refused:
        RULES.names()
    assert message in str(refused.value)


def test_an_installed_module_without_the_attribute_is_refused_when_it_is_used(lab: Path) -> None:
    install(lab, "shared = lab.shared")
    assert "shared" in RULES.names()
    with pytest.raises(UserError, match=r"module lab\.shared: has no RULE, which a rule needs"):
        RULES["shared"]


# -- on the way to workers -----------------------------------------------------------------------


@pytest.fixture
def sweep(space: Path) -> Callable[[], Sweep]:
    return lambda: load_sweep(space, overrides=[METHODS])


def test_a_worker_imports_the_sources_that_it_is_given_and_nothing_else(
    mine: Path, lab: Path, sweep: Callable[[], Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(mine)
    (digest,) = (plugin.digest for plugin in sweep().plugins["rule"])
    given = plugins_json(sweep())
    mine.write_text("raise SystemExit('the file as it is now')\n")
    install(lab, "other = lab.other")
    monkeypatch.setenv("DFA_TUNE_PLUGINS", "no.py")
    registry.use_only(given)
    assert RULES["mine"].transport is not None
    assert RULES.plugin("mine").digest == digest
    assert "other" not in RULES.names()


def test_a_package_travels_as_a_whole(lab: Path, sweep: Callable[[], Sweep]) -> None:
    register("lab.mine")
    given = plugins_json(sweep())
    for name in ("lab.shared", "lab.mine", "lab"):
        del sys.modules[name]
    sys.path.remove(str(lab.parent))
    registry.use_only(given)
    assert RULES["mine"].transport.__code__.co_filename == str(lab / "shared.py")


def test_what_a_machine_cannot_import_is_said(mine: Path, sweep: Callable[[], Sweep]) -> None:
    register(mine)
    given = plugins_json(sweep())
    (file,) = given["rule"][0]["files"].values()
    file["text"] = "import no_such_package\n"
    (name,) = given["rule"][0]["files"]
    sys.modules.pop(name)
    with pytest.raises(
        UserError, match="cannot be imported: ModuleNotFoundError: No module named 'no_such_pack"
    ):
        registry.use_only(given)


def test_figures_and_what_a_sweep_does_not_use_stay_here(
    mine: Path, tmp_path: Path, sweep: Callable[[], Sweep]
) -> None:
    for name, text in (("drawn", "def figure(results): pass\n"), ("ones", "def sample(rng, shape): pass\n")):
        (tmp_path / f"{name}.py").write_text(text)
        register(tmp_path / f"{name}.py")
    register(mine)
    assert [plugin.name for plugin in FIGURES.named()] == ["drawn"]
    assert "ones" in FEEDBACK.names()
    assert {kind: [one.name for one in found] for kind, found in sweep().plugins.items()} == {
        "rule": ["mine"]
    }

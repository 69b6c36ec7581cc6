"""The wheel is complete and works outside a checkout; each command imports no more than it needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "torchvision", "ray", "pandas", "numba")
# Runs the command as the console script does, then says which of HEAVY it has imported
PROBE = f"""
import json, sys
from dfa_tune.__main__ import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    imported = [name for name in {HEAVY!r} if name in sys.modules]
    print("imported", json.dumps(imported), file=sys.stderr)
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [uv, "build", "--wheel", "--out-dir", str(folder), str(ROOT)], capture_output=True, text=True
    )
    if built.returncode and "fetch" in built.stderr:
        pytest.skip(f"the build's requirements cannot be had: {built.stderr.strip().splitlines()[-1]}")
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like site-packages, with the wheel's content and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(*arguments: str, path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Python in folder `cwd`, with `path` before everything that is installed."""
    environment = os.environ | {"PYTHONPATH": str(path), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


def imported_by(cwd: Path, *arguments: str) -> list[str]:
    """Which of HEAVY a command of this checkout imports."""
    ended = python("-c", PROBE, *arguments, path=ROOT, cwd=cwd)
    assert "imported" in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    found: list[str] = json.loads(ended.stderr.rsplit("imported", 1)[1])
    return found


def test_the_wheel_has_no_top_level_name_but_the_package(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"dfa_tune"}


@pytest.mark.parametrize(
    ("folder", "suffix"), [("search_spaces", "yaml"), ("search_spaces", "json"), ("analysis", "py")]
)
def test_the_wheel_carries_every_file_of_the_bundled_folders(
    installed: Path, folder: str, suffix: str
) -> None:
    bundled = installed / "dfa_tune" / "_bundled" / folder
    expected = {file.name: file.read_bytes() for file in (ROOT / folder).glob(f"*.{suffix}")}
    assert expected
    assert {file.name: file.read_bytes() for file in bundled.glob(f"*.{suffix}")} == expected


def test_the_wheel_says_that_it_is_typed_and_carries_its_licence(installed: Path) -> None:
    assert (installed / "dfa_tune" / "py.typed").is_file()
    assert [file.read_text() for file in installed.glob("*.dist-info/licenses/LICENSE")] == [
        (ROOT / "LICENSE").read_text()
    ]


def test_from_the_wheel_a_new_space_is_written(installed: Path, tmp_path: Path) -> None:
    ended = python("-m", "dfa_tune", "init", "depth", path=installed, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    first = (tmp_path / "depth.yaml").read_text().splitlines()[0]
    schema = Path(first.removeprefix("# yaml-language-server: $schema="))
    assert schema.is_relative_to(installed)
    assert schema.is_file()


def test_from_the_wheel_the_module_is_not_the_checkouts(installed: Path, tmp_path: Path) -> None:
    ended = python("-c", "import dfa_tune; print(dfa_tune.__file__)", path=installed, cwd=tmp_path)
    assert Path(ended.stdout.strip()).is_relative_to(installed)


def test_from_the_wheel_list_shows_the_search_spaces(installed: Path, tmp_path: Path) -> None:
    ended = python("-m", "dfa_tune", "list", path=installed, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    shown = {line.split()[0] for line in ended.stdout.splitlines()}
    assert shown == {file.stem for file in (ROOT / "search_spaces").glob("*.yaml")}


def test_from_the_wheel_a_space_is_planned(installed: Path, tmp_path: Path) -> None:
    ended = python("-m", "dfa_tune", "plan", "quickstart", path=installed, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "0 done" in ended.stdout
    assert list(tmp_path.iterdir()) == []  # a plan starts nothing and leaves nothing


def test_from_the_wheel_figures_claims_and_the_reports_page_are_found(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        "from dfa_tune.analysis import figure_modules, report; from dfa_tune.config import claims;"
        "print(hasattr(figure_modules.load_module('fig_2_2'), 'figure'), len(claims.load_claims()) >= 20,"
        " (report.TEMPLATES / 'report.html.j2').is_file())"
    )
    ended = python("-c", code, path=installed, cwd=tmp_path)
    assert ended.stdout.split() == ["True"] * 3, ended.stderr


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    assert imported_by(tmp_path, "--help") == []


@pytest.mark.parametrize(
    "command", ["plan quickstart", "status quickstart", "best quickstart", "summary quickstart", "verify"]
)
def test_a_command_that_trains_nothing_imports_neither_torch_nor_ray(tmp_path: Path, command: str) -> None:
    assert {"torch", "torchvision", "ray"}.isdisjoint(imported_by(tmp_path, *command.split()))

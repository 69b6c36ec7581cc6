"""What a file says about where it comes from."""

import platform
import shutil
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version

import pytest

from dfa_tune.bundled import PACKAGE
from dfa_tune.results import metadata, provenance

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def described() -> dict[str, str]:
    return metadata("name: x\n", MOMENT, MOMENT, "NVIDIA H100", cuda="12.8")


def test_versions_host_space_and_device_are_there(described):
    assert described["torch"] == version("torch")
    assert described["ray"] == version("ray")
    assert described["python"] == platform.python_version()
    assert described["host"] == platform.node()
    assert (described["space"], described["device"], described["cuda"]) == (
        "name: x\n",
        "NVIDIA H100",
        "12.8",
    )


def test_all_of_it_is_text(described):
    assert all(isinstance(value, str) for value in described.values())


@pytest.mark.parametrize(
    "when", [MOMENT, MOMENT.timestamp(), MOMENT.astimezone(timezone(timedelta(hours=5)))]
)
def test_times_are_written_in_utc(when):
    assert metadata("", when, when, "cpu")["start"] == "2026-01-02T03:04:05.000000+00:00"


def test_the_learning_code_is_told_apart_from_that_of_the_rest(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "dfa_tune", ignore=shutil.ignore_patterns("__pycache__"))

    def digest():
        provenance.learning_code.cache_clear()
        return provenance.learning_code(tmp_path / "dfa_tune")

    assert digest() == provenance.learning_code()
    with (tmp_path / "dfa_tune" / "analysis" / "tables.py").open("a") as file:
        file.write("# changed")
    assert digest() == provenance.learning_code()
    with (tmp_path / "dfa_tune" / "learning" / "rules" / "dfa.py").open("a") as file:
        file.write("# changed")
    assert digest() != provenance.learning_code()


def test_a_cpu_is_told_with_its_model():
    assert metadata("", MOMENT, MOMENT, "cpu")["device"].startswith("cpu: ")


def git(folder, *arguments):
    name = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", folder, *name, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_revision_is_that_of_the_checkout_and_a_change_of_the_package_makes_it_dirty(tmp_path):
    git(tmp_path, "init")
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one", "--no-verify")
    head = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "results").write_text("a run has written this into its own checkout")
    assert provenance._git(package) == (head, "false")
    (package / "new.py").write_text("")
    assert provenance._git(package) == (head, "true")


def test_a_checkout_that_does_not_track_this_package_is_not_its_provenance(tmp_path):
    git(tmp_path, "init")
    assert provenance._git(tmp_path) == ("unknown", "unknown")


def test_without_git_the_revision_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance._git(tmp_path) == ("unknown", "unknown")

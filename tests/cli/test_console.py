"""What reaches the terminal: texts of strangers, output that cannot be written, other encodings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dfa_tune.cli.console import duration, printable
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.problems.datasets import content_digest
from dfa_tune.results.store import Store

HOSTILE = (
    r"[/b] [red]\e[2J\u202e é ± \U0001f600"  # markup, an escape sequence and reversed text, as YAML has them
)


@pytest.fixture
def hostile(tmp_path: Path, tiny: str, trained) -> list[str]:
    """Arguments for a space with a hostile title and results."""
    space = tmp_path / "tiny.yaml"
    space.write_text(tiny.replace("title: A tiny space", f'title: "{HOSTILE}"'))
    plan = Plan(load_sweep(space), content_digest("digits"))
    Store(tmp_path / "results", "tiny").publish("some", trained(plan).rows, {})
    return [str(space), "--results", str(tmp_path / "results")]


def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A shell command in which {dfa_tune} is the command."""
    script = command.format(dfa_tune=f"{sys.executable} -m dfa_tune")
    return subprocess.run(
        ["/bin/bash", "-c", script, "bash", *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\rb\x07", r"a\rb\x07"),
        ("a\x9b2Jb", r"a\x9b2Jb"),
        ("a\udcffb", r"a\udcffb"),
        ("\u202eabc", r"\u202eabc"),
        ("é ± 😀\n\ttwo", "é ± 😀\n\ttwo"),
    ],
)
def test_control_characters_are_shown_and_everything_else_stays(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("command", ["plan", "status", "best", "summary"])
def test_a_title_is_neither_markup_nor_an_escape_sequence(command: str, hostile: list[str], invoke) -> None:
    code, out, _ = invoke(command, *hostile)
    assert code == 0
    assert "\x1b" not in out
    assert "\u202e" not in out
    if command in ("plan", "summary"):
        assert r"[/b] [red]\x1b[2J\u202e é ±" in out


def test_an_argument_in_a_message_is_no_escape_sequence(invoke) -> None:
    code, _, err = invoke("plan", "quickstart", "--method", "a\x1b[2J")
    assert code == 2
    assert r"--method a\x1b[2J" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_encoding_of_the_terminal_ends_a_command(encoding: str, hostile: list[str]) -> None:
    for command in ("plan", "summary"):
        ended = run(f'PYTHONIOENCODING={encoding} {{dfa_tune}} {command} "$@"', *hostile)
        assert ended.returncode == 0, ended.stderr
        assert "[red]" in ended.stdout


def test_a_full_disk_under_the_output_is_one_line(tmp_path: Path) -> None:
    for arguments in ("list", "verify --json", "--help"):
        ended = run(f"{{dfa_tune}} {arguments} > /dev/full")
        assert ended.returncode == 1
        assert ended.stderr == "dfa-tune: standard output cannot be written: No space left on device\n"


def test_a_reader_that_has_seen_enough_ends_the_output_quietly() -> None:
    ended = run("{dfa_tune} verify | head -1; exit ${{PIPESTATUS[0]}}")
    assert ended.stderr == ""
    assert ended.returncode in (0, 1)  # whether the pipe was closed before the end is a race


def test_with_closed_streams_a_command_ends_as_usual(tmp_path: Path) -> None:
    ended = run("{dfa_tune} verify >&- 2>&- <&-; echo $?")
    assert ended.stdout == "0\n"


def test_json_is_read_back_whatever_the_locale(hostile: list[str]) -> None:
    ended = run('PYTHONIOENCODING=ascii {dfa_tune} summary --json "$@"', *hostile)
    assert {row["method"] for row in json.loads(ended.stdout)} == {"bp-sgd", "dfa-sgd", "bp-adam"}


def test_a_warning_is_a_line_without_code_or_escape_sequences(tmp_path: Path) -> None:
    folder = tmp_path / "quickstart" / "epochs"
    folder.mkdir(parents=True)
    (folder / "torn\x1b[2J.parquet").write_bytes(b"torn")
    ended = run('{dfa_tune} status quickstart --results "$1"', str(tmp_path))
    assert ended.returncode == 0
    assert ended.stderr.startswith("warning: ")
    assert r"torn\x1b[2J.parquet" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (150, "2 min 30 s"),
        (120, "2 min"),
        (700, "11 min"),
        (4800, "1 h 20 min"),
        (3600 * 23.5, "23 h"),
        (86400 * 3 + 4 * 3600, "3 days 4 h"),
        (86400 * 365 * 12, "12 years"),
    ],
)
def test_durations_are_said_in_words(seconds: float, says: str) -> None:
    assert duration(seconds) == says

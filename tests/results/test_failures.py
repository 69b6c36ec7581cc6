"""Which trials failed, and why."""

import json
import traceback
from pathlib import Path

import pytest

from dfa_tune.results import Store, failures


def test_a_failure_is_read_back_for_each_trial_of_the_pack(store: Store) -> None:
    try:
        raise AttributeError("'Tensor' object has no attribute 'transpoze'")
    except AttributeError:
        text = traceback.format_exc()
    failures.record(store, "pack", ["b", "a"], "AttributeError: no attribute 'transpoze'", text)
    found = failures.failures(store)
    assert set(found) == {"a", "b"}
    assert found["a"].cause == "AttributeError: no attribute 'transpoze'"
    assert found["a"].traceback == text
    assert found["b"].trials == ("a", "b")


def test_the_next_run_forgets_all_failures(store: Store) -> None:
    failures.record(store, "pack", ["a"], "out of memory")
    failures.clear(store)
    assert failures.failures(store) == {}


def test_a_cause_of_several_lines_becomes_one_line(store: Store) -> None:
    failures.record(store, "pack", ["a"], "RuntimeError: first\n  second\r\n\tthird\n")
    assert failures.failures(store)["a"].cause == "RuntimeError: first second third"


def test_a_huge_cause_and_a_huge_traceback_are_shortened_and_keep_the_end_of_the_traceback(
    store: Store,
) -> None:
    failures.record(store, "pack", ["a"], "E" * 10**6, "first line\n" * 10**6 + "ValueError: last line")
    found = failures.failures(store)["a"]
    assert len(found.cause) <= failures.LONGEST_CAUSE
    assert len(found.traceback) <= failures.LONGEST_TRACEBACK + 10
    assert found.traceback.startswith("...\n")
    assert found.traceback.endswith("ValueError: last line")


def test_what_utf_8_cannot_hold_is_escaped(store: Store) -> None:
    failures.record(store, "pack", ["a"], "no such file: \udc80", "\ud800")
    found = failures.failures(store)["a"]
    assert (found.cause, found.traceback) == ("no such file: \\udc80", "\\ud800")


def test_control_characters_of_a_strangers_file_do_not_reach_the_terminal(store: Store) -> None:
    text = {
        "trials": ["a"],
        "cause": "\x1b[2Jgone\x07\nand more",
        "traceback": "line 1\n\tline\x1b]0;x 2\u202e",
    }
    store.folder("failures").put("pack.json", json.dumps(text).encode())
    found = failures.failures(store)["a"]
    assert found.cause == "[2Jgone and more"
    assert found.traceback == "line 1\n\tline]0;x 2"


def test_a_file_of_version_0_1_without_a_traceback_is_read(store: Store) -> None:
    store.folder("failures").put("pack.json", b'{"trials": ["a"], "cause": "its worker died"}')
    found = failures.failures(store)["a"]
    assert (found.cause, found.traceback) == ("its worker died", "")


HOSTILE = {
    "empty": b"",
    "not JSON": b"{",
    "not UTF-8": b'{"trials": ["a"], "cause": "\xff"}',
    "a list": b"[]",
    "a key is missing": b'{"trials": ["a"]}',
    "trials is text": b'{"trials": "abc", "cause": "x"}',
    "trials holds lists": b'{"trials": [["a"]], "cause": "x"}',
    "trials is a mapping": b'{"trials": {"a": 1}, "cause": "x"}',
    "cause is a number": b'{"trials": ["a"], "cause": 1}',
    "cause is a list": b'{"trials": ["a"], "cause": ["x"]}',
    "traceback is a number": b'{"trials": ["a"], "cause": "x", "traceback": 1}',
    "deep": b'{"trials": ["a"], "cause": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "huge": b'{"trials": ["a"], "cause": "' + b"x" * 5_000_000 + b'"}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_that_is_not_a_failure_is_passed_over(store: Store, content: bytes) -> None:
    failures.record(store, "good", ["good"], "out of memory")
    (Path(store.path("failures")) / "hostile.json").write_bytes(content)
    assert set(failures.failures(store)) == {"good"}
    failures.clear(store)
    assert not list(Path(store.path("failures")).iterdir())

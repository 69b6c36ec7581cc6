"""What is said of errors in workers; Ray's own texts are checked by tests/faults/test_errors.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfa_tune.errors import UserError
from dfa_tune.orchestration.worker.errors import WorkerError

RULE = """
def transport(weight, feedback):
    return feedback.transpoze(1, 2)
"""


def raised(code: str, file: Path) -> WorkerError:
    """Of the code in `file`, called with a list."""
    names: dict[str, object] = {}
    file.write_text(code)
    exec(compile(code, str(file), "exec"), names)  # noqa: S102
    with pytest.raises(Exception) as caught:  # noqa: PT011
        names["transport"](None, [])  # type: ignore[operator]
    return WorkerError.of(caught.value)


def test_the_cause_is_the_error_with_the_file_and_the_line(tmp_path: Path) -> None:
    error = raised(RULE, tmp_path / "scaled_dfa.py")
    assert error.cause == "AttributeError: 'list' object has no attribute 'transpoze' (scaled_dfa.py:3)"
    assert error.traceback.startswith("Traceback (most recent call last):")
    assert "scaled_dfa.py" in error.traceback


def test_an_error_raised_in_a_library_names_the_line_that_called_it(tmp_path: Path) -> None:
    code = 'import json\n\n\ndef transport(weight, feedback):\n    return json.loads("{")\n'
    error = raised(code, tmp_path / "mine.py")
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    assert error.cause == f"JSONDecodeError: {caught.value} (mine.py:5)"


def test_only_the_first_line_of_a_long_message_is_the_cause(tmp_path: Path) -> None:
    error = raised('def transport(weight, feedback):\n    raise ValueError("one\\ntwo")\n', tmp_path / "m.py")
    assert error.cause == "ValueError: one (m.py:2)"
    assert "two" in error.traceback


def test_a_message_for_the_user_is_the_cause_as_it_is() -> None:
    assert (
        WorkerError.of(UserError("data set 'mnist': a is missing")).cause == "data set 'mnist': a is missing"
    )


DIED = """Failure # 1 (occurred at 2026-11-24_22-00-00)
The actor died unexpectedly before finishing this task.
\tclass_name: PackTrainable
\tpid: 123
Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection error code 2.
"""
START = """Failure # 1 (occurred at 2026-11-24_22-00-00)
The actor died because of an error raised in its creation task, \x1b[36mray::A.__init__()\x1b[39m (pid=1)
  File "x.py", line 1, in <module>
ModuleNotFoundError: No module named 'nowhere'
"""


def test_a_worker_that_was_killed_is_said_to_have_died() -> None:
    error = WorkerError.from_ray(DIED)
    assert error.cause.startswith("its worker died (Worker unexpectedly exits with a connection error code 2")
    assert not error.at_start


def test_a_worker_that_could_not_start_says_why_without_colours() -> None:
    error = WorkerError.from_ray(START)
    assert error.cause == "ModuleNotFoundError: No module named 'nowhere'"
    assert error.at_start
    assert not error.refused
    assert "\x1b" not in error.traceback


def test_a_machine_that_may_not_train_is_told_from_one_where_nothing_starts() -> None:
    refused = START.replace("No module named 'nowhere'", "odd may not train: torch 2.0.0 instead of 2.6.0")
    assert WorkerError.from_ray(refused).refused


def test_nothing_at_all_still_says_that_a_worker_died() -> None:
    assert WorkerError.from_ray("").cause == "its worker died"

"""All that the command prints goes through here.

Titles, names, paths and messages may come from a stranger. Their control characters are shown as escapes,
and the terminal never interprets them. Output that cannot be written does not end a command: what follows is
dropped, and `finish` reports it at the end.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Control characters other than tab and line feed, lone surrogates, and what reverses the direction of text
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Name, seconds, and the name and seconds of the unit in which the rest is said
_UNITS = [
    ("year", 365 * 86400, "days", 86400),
    ("day", 86400, "h", 3600),
    ("h", 3600, "min", 60),
    ("min", 60, "s", 1),
]
_warned: set[str] = set()
_lost: list[OSError] = []  # why output could not be written, if so


def printable(text: object) -> str:
    r"""The text with control characters as escapes, such as `\x1b`."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def say(text: object = "", *, error: bool = False) -> None:
    """Print a line to standard output, or to standard error."""
    _write(printable(text) + "\n", error)


def print_json(content: Any) -> None:
    """Print JSON; raises ValueError for NaN and infinity, which JSON does not have."""
    _write(json.dumps(content, allow_nan=False, indent=2) + "\n")


def terminal(width_of_pipe: int) -> Console:
    """A rich console as wide as the terminal; a pipe or a file has no width, and gets this one."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=width_of_pipe)


def print_rich(console: Console, *shown: RenderableType) -> None:
    """Print what `console` lays out; its texts have gone through `printable`."""
    with console.capture() as laid_out:
        for part in shown:
            console.print(part)
    _write(laid_out.get())


def duration(seconds: float) -> str:
    """A time as people say it: "45 s", "2 min 30 s", "1 h 20 min", "3 days 4 h", "12 years"."""
    for name, length, smaller, part in _UNITS:
        if seconds >= length:
            whole, rest = divmod(round(seconds / part), round(length / part))
            name = f"{name}s" if whole > 1 and name in ("year", "day") else name
            return f"{whole} {name} {rest} {smaller}" if rest and whole < 10 else f"{whole} {name}"
    return f"{round(seconds)} s"


def prepare() -> None:
    """Make standard output and error usable, whatever their encoding and even if they are closed."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: without this, a file of results would get the number of standard output
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an encoding need not have every character
    warnings.showwarning = _say_warning


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as its text alone, once: the line of code that raised it is nothing to a user."""
    text = f"warning: {message}"
    if text not in _warned:
        _warned.add(text)
        say(text, error=True)


def drop_output(error: OSError) -> None:
    """Write nothing more to standard output, because of `error`."""
    _lost.append(error)
    _redirect_to_nothing(sys.stdout)


def finish(code: int) -> int:
    """The exit code of a command that would end with `code`: 1 in place of 0 if output was lost."""
    try:
        sys.stdout.flush()
    except OSError as error:
        drop_output(error)
    for lost in _lost[:1]:
        if not isinstance(lost, BrokenPipeError):  # the reader has seen enough
            say(f"dfa-tune: standard output cannot be written: {lost.strerror}", error=True)
    return code or int(bool(_lost))


def _write(text: str, error: bool = False) -> None:
    try:
        typer.echo(text, nl=False, err=error)
    except OSError as problem:
        if error:
            _redirect_to_nothing(sys.stderr)
        else:
            drop_output(problem)


def _redirect_to_nothing(stream: Any) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)

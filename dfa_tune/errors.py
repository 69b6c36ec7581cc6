"""What a user is told when something is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """The user gave something that is not valid: the message names the place, the value and what is valid.

    The command line prints the message alone and exits with code 2.
    """


def did_you_mean(name: object, valid: Iterable[str]) -> str:
    """ " Did you mean 'x'?" with the valid name closest to `name`; empty where none is close."""
    close = difflib.get_close_matches(str(name), list(valid), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""

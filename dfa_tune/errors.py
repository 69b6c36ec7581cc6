"""What a user is told when something is wrong."""

from __future__ import annotations

import difflib
import re
import shlex
import sys
from collections.abc import Iterable


class UserError(Exception):
    """The user gave something that is not valid: the message names the place, the value and what is valid.

    The command line prints the message alone and exits with code 2. The message leaves out the user and
    password of an address in it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_credentials(message))


def did_you_mean(name: object, valid: Iterable[str]) -> str:
    """ " Did you mean 'x'?" with the valid name closest to `name`; empty where none is close."""
    close = difflib.get_close_matches(str(name), list(valid), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def this_command() -> str:
    """The command that the user has typed, to be typed again."""
    return without_credentials(shlex.join(["dfa-tune", *sys.argv[1:]]))


def without_credentials(text: str) -> str:
    """`text` with `***` in place of user and password in addresses such as http://user:password@host:8265."""
    text = re.sub(r"://[^\s/]*@", "://***@", text)
    return re.sub(r"(?<![^\s='\"])[^\s/@:='\"]+:[^\s/@]+@", "***@", text)

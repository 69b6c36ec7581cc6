"""The one exception that a user is meant to see."""


class UserError(Exception):
    """Something the user gave is wrong: the message names the place, the value and what is valid.

    The command line prints the message alone and exits with 2; nothing has been started.
    """

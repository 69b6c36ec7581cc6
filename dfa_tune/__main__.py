"""The command `dfa-tune`, and `python -m dfa_tune`."""

from __future__ import annotations

import signal
import sys

from dfa_tune.errors import this_command


def main() -> None:
    """Run the command line. Ctrl-C, SIGTERM and SIGHUP end it alike: exit code 130, and how to resume.

    A scheduler sends SIGTERM before it takes a machine away, and a terminal SIGHUP when it is closed.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    try:
        from dfa_tune import cli  # takes a while
    except KeyboardInterrupt:
        print(f"\nInterrupted. To resume:\n  {this_command()}", file=sys.stderr)
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()

"""`python -m dfa_tune` is the command `dfa-tune`."""

from dfa_tune.cli import main

main()

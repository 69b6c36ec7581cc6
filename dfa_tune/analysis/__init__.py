"""What is made of results afterwards; needs neither torch nor Ray."""

from dfa_tune.planning.sweep_results import load_results

__all__ = ["load_results"]

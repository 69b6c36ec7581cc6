"""Statistics, tables, figures, claims and the report, from the rows of trials. Without torch or Ray."""

from dfa_tune.planning.sweep_results import load_results

__all__ = ["load_results"]

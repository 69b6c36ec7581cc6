"""Each module is a learning rule: how errors reach the hidden layers. Its name is that in a search space."""

from dfa_tune.learning.rules._rule import Rule

__all__ = ["Rule"]

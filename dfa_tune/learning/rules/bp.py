"""Backpropagation: the error goes down through the transposed weights (thesis section 1.1)."""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule()

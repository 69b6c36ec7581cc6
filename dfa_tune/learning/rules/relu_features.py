"""Frozen random ReLU features: the hidden layer stays as initialised (thesis section 1.3.2)."""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule(trains_hidden=False, activation="relu")

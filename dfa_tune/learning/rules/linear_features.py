"""Frozen random linear features: `relu_features` without the ReLU (thesis section 1.3.2)."""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule(trains_hidden=False, activation="linear")

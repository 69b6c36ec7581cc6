"""Feedback alignment: a fixed random matrix for each transposed weight (Lillicrap et al. 2014)."""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule(uses_feedback=True, transport=lambda weight, feedback: feedback)

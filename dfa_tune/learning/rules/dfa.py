"""Direct feedback alignment: the output error for all hidden layers (Nokland 2016; thesis section 1.2)."""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule(uses_feedback=True, direct=True, transport=lambda weight, feedback: feedback)

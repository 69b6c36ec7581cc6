"""Direct feedback alignment: every hidden layer gets the output error (Nokland 2016; thesis section 1.2)."""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule(uses_feedback=True, direct=True, transport=lambda weight, feedback: feedback)

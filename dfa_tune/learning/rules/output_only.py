"""Only the output layer of the ordinary network is trained (thesis section 2.2): "shallow" learning."""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule(trains_hidden=False)

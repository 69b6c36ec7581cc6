"""The thesis' neural tangent kernel: gated linear units whose gates are frozen (section 1.3.1).

h = (W x) * sigmoid(W_g x), with W_g as initialised.
"""

from dfa_tune.learning.rules._rule import Rule

# Written out: Tensor.sigmoid differs in its last bit with an element's place in the tensor
RULE = Rule(gate=lambda a: 1 / (1 + a.neg().exp()))

"""The thesis' neural tangent kernel: gates that stay as initialised (section 1.3.1).

h = (W x) * sigmoid(W_g x), a gated linear unit whose W_g is frozen.
"""

from dfa_tune.learning.rules._rule import Rule

# Written out: Tensor.sigmoid differs in its last bit with an element's place in the tensor
RULE = Rule(gate=lambda a: 1 / (1 + a.neg().exp()))

"""NAME: a / (1 + |a|), softsign; its derivative is (1 - |h|)^2.

Change it into an activation of your own. `derivative` is given a and h = value(a). On a CPU the result for an
element must not depend on its place in the tensor: exp, tanh, cos and arithmetic are safe, sigmoid is not.
"""

from dfa_tune.learning.activations import Activation

ACTIVATION = Activation(
    value=lambda a: a / (1 + a.abs()),
    derivative=lambda a, h: (1 - h.abs()) ** 2,
)

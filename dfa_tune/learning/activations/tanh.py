"""tanh(a); its derivative is 1 - tanh(a)^2."""

from dfa_tune.learning.activations._activation import Activation

ACTIVATION = Activation(value=lambda a: a.tanh(), derivative=lambda a, h: 1 - h * h)

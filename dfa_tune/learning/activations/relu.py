"""max(a, 0); its derivative is [a > 0], 0 at 0 as in PyTorch."""

from dfa_tune.learning.activations._activation import Activation

ACTIVATION = Activation(value=lambda a: a.clamp(min=0), derivative=lambda a, h: a > 0)

"""cos(a). With random weights and phases these are the features of `fourier_features`."""

from dfa_tune.learning.activations._activation import Activation

ACTIVATION = Activation(value=lambda a: a.cos(), derivative=lambda a, h: -a.sin())

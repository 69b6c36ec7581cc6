"""The identity: a network of linear layers."""

from dfa_tune.learning.activations._activation import Activation

ACTIVATION = Activation(value=lambda a: a, derivative=None)

"""Each module is an activation function and its derivative. Its name is the name in a search space."""

from dfa_tune.learning.activations._activation import Activation

__all__ = ["Activation"]

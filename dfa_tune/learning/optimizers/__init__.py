"""Each module is an optimizer: what a step does with a gradient. Its name is the name in a search space."""

from dfa_tune.learning.optimizers._base import Base

__all__ = ["Base"]

"""Gated linear units with a hard gate: h = (W x) * [W_g x > 0], W_g frozen.

Fiat, Malach and Shalev-Shwartz 2019. Daniely and Malach 2020 use them in place of the neural tangent kernel.
"""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule(gate=lambda a: (a > 0).to(a.dtype))

"""Kolen-Pollack: feedback alignment whose feedback learns (Kolen and Pollack 1994; Akrout et al. 2019).

The feedback of a layer gets the gradient and the decay of the weights above it, whose values it never sees.
With weight decay the difference of the two vanishes.
"""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule(
    uses_feedback=True,
    transport=lambda weight, feedback: feedback,
    feedback_gradient=lambda context, deltas, layer: context.gradient_above(layer, deltas),
)

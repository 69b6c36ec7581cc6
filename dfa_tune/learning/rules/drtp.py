"""Direct random target projection: every hidden layer gets the target (Frenkel et al. 2021).

The target stands where the error's negative would: for the right class the error is below 0.
"""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule(
    uses_feedback=True,
    direct=True,
    transport=lambda weight, feedback: feedback,
    signal=lambda context: context.targets / -context.batch,
)

"""Sign direct feedback alignment: hidden layers get the sign of the output error (Frenkel et al. 2021)."""

from dfa_tune.learning.rules._rule import Rule

RULE = Rule(
    uses_feedback=True,
    direct=True,
    transport=lambda weight, feedback: feedback,
    signal=lambda context: context.error.sign() / context.batch,
)

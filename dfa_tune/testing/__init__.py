"""What a rule, an optimizer or another plugin must keep to, as tests that anybody can run on their own.

    DFA_TUNE_PLUGINS=mine.py pytest --pyargs dfa_tune.testing

Plugins of installed packages are tested too. What a plugin computes is tested against its formula by a test
beside it, which `dfa-tune new` begins: `take_step` is for that.
"""

from dfa_tune.testing.one_step import TakenStep, take_step

__all__ = ["TakenStep", "take_step"]

"""The first layer's products with the inputs, in three ways behind one interface (`Inputs`, `Source`).

`dense.py` multiplies matrices; every layer above the first does this too. `sparse.py` skips the inputs that
are zero. `table.py` adds rows of a table, where the layer's weights are frozen. A batch and deltas go in;
preactivations come out, or the layer's weights are updated in place.
"""

from dfa_tune.learning.first_layer._interface import Inputs, Source, WeightGradient

__all__ = ["Inputs", "Source", "WeightGradient"]

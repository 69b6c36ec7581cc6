"""What a rule does compared with what backpropagation would do (thesis section 3.1), layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor

from dfa_tune.learning.backward import Context, bp_deltas
from dfa_tune.learning.matmul import multiply
from dfa_tune.learning.sums import of_tuples, over_columns


def alignments(context: Context, deltas: list[Tensor]) -> tuple[dict[str, Tensor], Tensor]:
    """The alignments of a batch by the names of their columns, and BP's gradient of the first layer.

    A column is (P,), or (P, L) for L hidden layers, the first one first; there NaN stands where a norm
    vanishes or is not finite. Feedback is compared as it is before the step, and not at all under
    backpropagation.
    """
    done, network = context.done, context.network
    found: dict[str, Tensor] = {}
    cosines, ratios = [], []
    first = None
    for layer, (delta, bp_delta) in enumerate(zip(deltas, bp_deltas(context), strict=True)):
        gradient, bp_gradient = (network.gradient(done, one, layer) for one in (delta, bp_delta))
        similarity = Similarity(gradient, bp_gradient)
        if first is None:
            first = bp_gradient
            found["gradient_alignment"] = similarity.cosine()
            found["gradient_alignment_rows"] = similarity.cosine_of_rows()
        cosines.append(similarity.cosine_or_nan())
        ratios.append(similarity.norm_ratio())
    assert first is not None
    found["gradient_alignment_by_layer"] = torch.stack(cosines, 1)
    found["gradient_norm_ratio_by_layer"] = torch.stack(ratios, 1)
    return found | _feedback_alignments(context), first


def _feedback_alignments(context: Context) -> dict[str, Tensor]:
    """M of each layer against the weights that it stands for.

    Those are the weights above; for a direct rule the product of all of them, from the layer to the output.
    """
    rule, top = context.network.rule, context.hidden - 1
    if rule.transport is None:
        return {}
    by_layer: list[Tensor] = []
    wanted = context.weight_above(top)
    for layer in range(top, -1, -1):
        if layer < top:
            weight = context.weight_above(layer)
            wanted = multiply(weight, wanted) if rule.direct else weight
        by_layer.insert(0, Similarity(context.sent_back(layer), wanted).cosine_or_nan())
    return {
        "feedback_alignment": Similarity(context.sent_back(top), context.weight_above(top)).cosine(),
        "feedback_alignment_by_layer": torch.stack(by_layer, 1),
    }


class Similarity:
    """Measures of two sets of matrices a and b, (P, R, C) each, from the same three sums over each row."""

    def __init__(self, a: Tensor, b: Tensor) -> None:
        self._dot, self._a, self._b = (over_columns(x, y) for x, y in ((a, b), (a, a), (b, b)))

    def cosine(self) -> Tensor:
        """The cosine of each member's two flattened matrices, (P,). 0 if one is zero."""
        return _ratio(*(of_tuples(sums) for sums in (self._dot, self._a, self._b)))

    def cosine_of_rows(self) -> Tensor:
        """The mean over rows of the cosines of rows, (P,)."""
        rows = _ratio(self._dot, self._a, self._b)
        return of_tuples(rows) / rows.shape[1]

    def cosine_or_nan(self) -> Tensor:
        """As `cosine`, but NaN where a norm vanishes or is not finite."""
        return self.cosine().where(self._usable(), torch.nan)

    def norm_ratio(self) -> Tensor:
        """|a| / |b| of each member's matrices, (P,); NaN where a norm vanishes or is not finite."""
        squared_a, squared_b = of_tuples(self._a), of_tuples(self._b)
        return (squared_a / squared_b).sqrt().where(self._usable(), torch.nan)

    def _usable(self) -> Tensor:
        first, second = ((one > 0) & one.isfinite() for one in (of_tuples(self._a), of_tuples(self._b)))
        return first & second


def _ratio(dot: Tensor, squared_a: Tensor, squared_b: Tensor) -> Tensor:
    norm = (squared_a * squared_b).sqrt()
    return (dot / norm).where(norm != 0, 0.0)

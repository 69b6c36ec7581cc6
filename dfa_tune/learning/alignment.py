"""What a rule does compared with what backpropagation would do (thesis section 3.1), layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor

from dfa_tune.learning.backward import Context, bp_deltas
from dfa_tune.learning.matmul import multiply


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
        if first is None:
            first = bp_gradient
            found["gradient_alignment"] = cosine(gradient, bp_gradient)
            found["gradient_alignment_rows"] = cosine_of_rows(gradient, bp_gradient)
        cosines.append(cosine_or_nan(gradient, bp_gradient))
        ratios.append(norm_ratio(gradient, bp_gradient))
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
        by_layer.insert(0, cosine_or_nan(context.sent_back(layer), wanted))
    return {
        "feedback_alignment": cosine(context.sent_back(top), context.weight_above(top)),
        "feedback_alignment_by_layer": torch.stack(by_layer, 1),
    }


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """The cosine of each member's two flattened matrices: (P, R, C), (P, R, C) -> (P,). 0 if one is zero."""
    return _ratio(*(_row_sums(x * y).sum(1) for x, y in ((a, b), (a, a), (b, b))))


def cosine_of_rows(a: Tensor, b: Tensor) -> Tensor:
    """The mean over rows of the cosines of rows: (P, R, C), (P, R, C) -> (P,)."""
    return _ratio(*(_row_sums(x * y) for x, y in ((a, b), (a, a), (b, b)))).mean(1)


def cosine_or_nan(a: Tensor, b: Tensor) -> Tensor:
    """As `cosine`, but NaN where a norm vanishes or is not finite."""
    dot, squared_a, squared_b = (_row_sums(x * y).sum(1) for x, y in ((a, b), (a, a), (b, b)))
    return (dot / (squared_a * squared_b).sqrt()).where(_usable(squared_a, squared_b), torch.nan)


def norm_ratio(a: Tensor, b: Tensor) -> Tensor:
    """|a| / |b| of each member's matrices, (P,); NaN where a norm vanishes or is not finite."""
    squared_a, squared_b = (_row_sums(x * x).sum(1) for x in (a, b))
    return (squared_a / squared_b).sqrt().where(_usable(squared_a, squared_b), torch.nan)


def _usable(*squared_norms: Tensor) -> Tensor:
    first, second = ((one > 0) & one.isfinite() for one in squared_norms)
    return first & second


def _row_sums(products: Tensor) -> Tensor:
    # In float64 and row by row: torch may divide the sum over a whole matrix between threads, and then its
    # last bits depend on how many there are
    return products.double().sum(2)


def _ratio(dot: Tensor, norm_a: Tensor, norm_b: Tensor) -> Tensor:
    norm = (norm_a * norm_b).sqrt()
    return (dot / norm).where(norm != 0, 0.0)

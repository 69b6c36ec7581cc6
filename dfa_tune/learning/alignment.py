"""Cosines between what a rule does and what backpropagation would do (thesis section 3.1)."""

from __future__ import annotations

from torch import Tensor


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """The cosine of each member's two flattened matrices: (P, R, C), (P, R, C) -> (P,). 0 if one is zero."""
    return _ratio(*(_row_sums(x * y).sum(1) for x, y in ((a, b), (a, a), (b, b))))


def cosine_of_rows(a: Tensor, b: Tensor) -> Tensor:
    """The mean over rows of the cosines of rows: (P, R, C), (P, R, C) -> (P,)."""
    return _ratio(*(_row_sums(x * y) for x, y in ((a, b), (a, a), (b, b)))).mean(1)


def _row_sums(products: Tensor) -> Tensor:
    # In float64 and row by row: torch may divide the sum over a whole matrix between threads, and then its
    # last bits depend on how many there are
    return products.double().sum(2)


def _ratio(dot: Tensor, norm_a: Tensor, norm_b: Tensor) -> Tensor:
    norm = (norm_a * norm_b).sqrt()
    return (dot / norm).where(norm != 0, 0.0)

"""The cells of a plan that claims are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dfa_tune.config.claims import AnyClaim, Combination, Spread, Term
from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Cell, Plan
from dfa_tune.planning.trial import column_value


def terms(claim: AnyClaim) -> Iterator[Term]:
    """Everything that a claim is about, as terms."""
    if isinstance(claim, Combination):
        for _, part in claim.parts():
            yield from part
    else:
        for method in (*claim.of, *claim.over) if isinstance(claim, Spread) else claim.methods:
            yield Term(method=method, at=claim.at)


def cells_at(plan: Plan, method: str, at: Mapping[str, Any]) -> list[tuple[int, Cell]]:
    """The cells of `method` whose settings are those in `at`, each with its index in `plan.cells`."""
    return [
        (index, cell)
        for index, cell in enumerate(plan.cells)
        if cell.method.name == method
        # As text, since a list such as [64, 64] is "64,64" in a column
        and all(str(setting(cell, name)) == str(column_value(value)) for name, value in at.items())
    ]


def setting(cell: Cell, name: str) -> Any:
    """What a cell has in the column `name`, which may be an axis or not; None without such a column."""
    if name in cell.axes:
        return cell.axes[name]
    trial = cell.base
    for group in (trial.problem, trial.network, trial.training):
        if name in type(group).model_fields:
            return column_value(getattr(group, name))
    return None


def open_axes(cells: Sequence[Cell], along: str | None = None) -> list[str]:
    """The axes in which these cells differ, `along` aside."""
    names = cells[0].axes if cells else {}
    return [name for name in names if name != along and len({cell.axes[name] for cell in cells}) > 1]


def term_cells(plan: Plan, term: Term) -> list[tuple[int, Cell]]:
    """The one cell that the term is about, or those along its slope; none where it is not run.

    Raises UserError where the term leaves an axis open, as it may where `--set` made an axis of a number.
    """
    cells = cells_at(plan, str(term.method), term.at)
    if left := open_axes([cell for _, cell in cells], term.slope):
        raise UserError(
            f"{plan.sweep.name}: a claim about {term.method} does not say at which {' and '.join(left)};"
            " leave out the --set that gives several values"
        )
    return cells

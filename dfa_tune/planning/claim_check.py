"""Whether the search spaces have what claims are about: the methods, the axes, their values, the columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dfa_tune.config.claims import AnyClaim, Term
from dfa_tune.config.validation import shown
from dfa_tune.errors import UserError, did_you_mean
from dfa_tune.learning.metrics import METRICS
from dfa_tune.planning.claim_cells import cells_at, open_axes, setting, terms
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.trial import column_value
from dfa_tune.registry import RULES

COLUMNS = (*METRICS, "epoch")
FEEDBACK_ONLY = ("feedback_alignment",)  # null for rules without feedback


def check(
    claims: Sequence[AnyClaim], plans: Mapping[str, Plan], *, names: Iterable[str] = (), where: str = ""
) -> None:
    """Raises UserError for the first claim about something that its space does not have, or never tests.

    `plans` are those of the claims' spaces as they are written: what a user removes with `--method` or
    `--set` is not an error, but "not run". `names` are further valid spaces, and `where` begins the message.
    """
    for claim in claims:
        if reason := objection(claim, plans, names):
            raise UserError(f"{where}claim {claim.id}: {reason}")


def objection(claim: AnyClaim, plans: Mapping[str, Plan], names: Iterable[str] = ()) -> str:
    """Why the claim can never be judged, in words; empty where it can. See `check`."""
    for term in terms(claim):
        name = term.space or claim.space
        if name not in plans:
            valid = sorted({*plans, *names})
            return f"unknown space {name!r}; valid: {', '.join(valid)}.{did_you_mean(name, valid)}"
        if reason := _missing(term, name, plans[name]) or _untestable(term, name, plans[name]):
            return reason
    seeds = {name: plans[name].sweep.seed for name in sorted(claim.spaces)}
    if len(set(seeds.values())) == 1:
        return ""
    listed = ", ".join(f"{name} has seed {seed}" for name, seed in seeds.items())
    return (
        f"can never be tested: repetitions are compared by their seeds, and {listed}; valid: spaces with the"
        " same seed"
    )


def _missing(term: Term, space: str, plan: Plan) -> str:
    """What the space lacks, in words; empty where it has all that the term names."""
    if term.method is None:
        return ""  # a probe: only its table knows what there is
    for column in (term.value, term.correlate):
        if column is not None and column not in COLUMNS:
            return f"{column!r} is not a column; valid: {', '.join(COLUMNS)}.{did_you_mean(column, COLUMNS)}"
    names = [method.name for method in plan.sweep.methods]
    if term.method not in names:
        return f"{space} has no method {term.method!r}; valid: {', '.join(names)}." + did_you_mean(
            term.method, names
        )
    axes = list(plan.cells[0].axes)
    if term.slope is not None and term.slope not in axes:
        return f"slope: {space} has no axis {term.slope!r}; valid: {', '.join(axes) or 'no slope'}"
    own = cells_at(plan, term.method, {})
    for name, value in term.at.items():
        found = list(dict.fromkeys(setting(cell, name) for _, cell in own))
        if found == [None]:
            return f"at: {space} has no axis {name!r}; valid: {', '.join(axes)}.{did_you_mean(name, axes)}"
        if not cells_at(plan, term.method, {name: value}):
            valid = [str(one) for one in found]
            return f"at: {space} has no {name} = {shown(value)}; valid: {', '.join(valid)}." + did_you_mean(
                column_value(value), valid
            )
    cells = cells_at(plan, term.method, term.at)
    if not cells:
        return f"at: {space} has no point {shown(term.at)}: its values are there, but not together"
    if left := open_axes([cell for _, cell in cells], term.slope):
        values = {name: dict.fromkeys(str(cell.axes[name]) for _, cell in cells) for name in left}
        choices = "; ".join(f"{name}: {', '.join(several)}" for name, several in values.items())
        return f"{term.method} is at several points of {space}; say which one with `at`; valid: {choices}"
    return ""


def _untestable(term: Term, space: str, plan: Plan) -> str:
    """Why the term can never have a number, in words; empty where it can."""
    if term.method is None:
        return ""
    _, cell = cells_at(plan, term.method, term.at)[0]
    for column in (term.value, term.correlate):
        if column in FEEDBACK_ONLY and RULES[cell.method.rule].transport is None:
            return f"can never be tested: {cell.method.name} has no feedback, so its {column} is null"
    training = cell.base.training
    rows = training.tests
    for key, wanted in (("first", term.first or 1), ("last", term.last)):
        if wanted > rows:
            return f"{key}: {wanted}, but a trial of {space} has {rows} rows; valid: 1 to {rows}"
    if term.correlate is not None and rows < 3:
        return f"can never be tested: a correlation needs 3 rows, and a trial of {space} has {rows}"
    return ""

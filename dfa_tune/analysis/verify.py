"""Claims judged by results on disk: which spaces they are about, and which variants stand in for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dfa_tune.analysis import extras
from dfa_tune.analysis.claim_values import ClaimValues
from dfa_tune.analysis.judging import THESIS, Judged, judge, judge_each
from dfa_tune.config.claims import load_claims
from dfa_tune.errors import UserError
from dfa_tune.planning.claim_check import check
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import Sweep, load_sweep, space_names
from dfa_tune.planning.sweep_results import SweepResults, load_sweep_results
from dfa_tune.results.store import Store


def verify(
    results: str | Path,
    *,
    spaces: Sequence[str] = (),
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    claims: Path | None = None,
) -> list[Judged]:
    """The verdicts on the thesis' claims, or those about `spaces` (names, or paths of YAML files).

    A space's own claims are a family of their own, judged where the space is named. The claims of the file
    `claims` are one too, and the only ones that are judged then. Within a family p-values are corrected for
    the number of all claims, whichever are shown, so all of them are evaluated. `overrides` change the spaces
    of what is shown.

    A variant of a figure's space takes its place. Conditions are not mixed: a claim about several spaces
    needs a variant of each, and is not run otherwise. Raises UserError if no claim is about a space, or if a
    claim is about what its space does not have.
    """
    named = [load_sweep(space, overrides=overrides, results=results) for space in spaces]
    about, read = load_claims(claims), _Reader(results, data)
    names = set[str]().union(*(claim.spaces for claim in about))
    given = _standing_in(named, names, by_name=claims is not None)
    for sweep in named:
        if not (sweep.claims and claims is None) and sweep not in given.values():
            raise UserError(
                f"no claim is about {sweep.name}; valid: {', '.join(sorted(names))},"
                " a space that says `variant_of:` one of them, or a space with `claims:` of its own"
            )
    plans = {name: Plan(load_sweep(name)) for name in sorted(names & set(space_names()))}
    if claims is not None:
        plans |= {sweep.name: Plan(load_sweep(space)) for sweep, space in zip(named, spaces, strict=True)}
    check(about, plans, names=space_names(), where="" if claims is None else f"{claims}: ")
    wanted = [claim for claim in about if not named or claim.spaces & given.keys()]
    judged = []
    if wanted:
        changed = set[str]().union(*(claim.spaces for claim in wanted))
        variants = {name: sweep for name, sweep in given.items() if sweep.name != name}
        others = {
            name: given.get(name)
            or load_sweep(name, overrides=overrides if name in changed else (), results=results)
            for name in sorted(names - variants.keys())
        }
        of_variants = ClaimValues({name: read(sweep) for name, sweep in variants.items()})
        of_others = ClaimValues({name: read(sweep) for name, sweep in others.items()})
        values = [of_variants if claim.spaces & variants.keys() else of_others for claim in about]
        family = judge_each(about, values, THESIS if claims is None else str(claims))
        judged = [_with_reason(one, variants) for one in family if one.claim in wanted]
    for sweep in named if claims is None else ():
        bundled = [load_sweep(name, results=results) for name in _bundled(sweep)]
        known = {other.name: other for other in (*bundled, *named, sweep)}
        judged += judge(sweep.claims, {name: read(known[name]) for name in _spaces(sweep)}, sweep.name)
    return judged


def gather(sweep: Sweep, results: str | Path, data: str | Path | None = None) -> SweepResults:
    """The results of one space under `results`, with the extra table of its figure."""
    found = load_sweep_results(sweep, results, data=data)
    return replace(found, extra=extras.kept(found, Store(results, sweep.name)))


class _Reader:
    """Reads the results of spaces, each once."""

    def __init__(self, results: str | Path, data: str | Path | None) -> None:
        self._results, self._data = results, data
        self._read: dict[tuple[str, str], SweepResults] = {}

    def __call__(self, sweep: Sweep) -> SweepResults:
        key = (sweep.name, sweep.text)
        if key not in self._read:
            self._read[key] = gather(sweep, self._results, self._data)
        return self._read[key]


def _standing_in(named: Sequence[Sweep], names: set[str], by_name: bool) -> dict[str, Sweep]:
    """The named sweeps by the name under which claims know them: that of their figure, or their own."""
    given: dict[str, Sweep] = {}
    for sweep in named:
        known_as = sweep.name if by_name and sweep.name in names else sweep.figure_name
        if known_as is None or known_as not in names:
            continue
        if known_as in given and given[known_as] != sweep:
            raise UserError(
                f"{given[known_as].name} and {sweep.name} both stand for {known_as} in its claims;"
                " valid: one of them at a time"
            )
        given[known_as] = sweep
    return given


def _spaces(sweep: Sweep) -> set[str]:
    return set[str]().union(*(claim.spaces for claim in sweep.claims))


def _bundled(sweep: Sweep) -> list[str]:
    """The bundled spaces that the space's own claims are about too."""
    return sorted((_spaces(sweep) - {sweep.name}) & set(space_names()))


def _with_reason(one: Judged, variants: Mapping[str, Sweep]) -> Judged:
    """A claim that is not run says so where variants of some of its spaces are missing."""
    missing = sorted(one.claim.spaces - variants.keys())
    if not missing or not one.claim.spaces & variants.keys():
        return one
    return replace(one, note=f"needs a variant of {', '.join(missing)} too: conditions are not mixed")

"""The report: one self-contained HTML file with claims, figures, tables, provenance and settings.

What it shows may come from a stranger. So Jinja2 escapes all of it, figures are images, in which no script
runs, and the page's security policy allows only its own script.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from matplotlib.figure import Figure

from dfa_tune.analysis import budget, figures, panels, rates, tables
from dfa_tune.analysis.claim_evidence import LEVEL
from dfa_tune.analysis.claim_pictures import FULL, SMALL, picture
from dfa_tune.analysis.explosions import Explosions, explosions
from dfa_tune.analysis.judging import THESIS, Judged, shown, summary
from dfa_tune.analysis.report_tables import Table, csv_uri, table
from dfa_tune.analysis.tuning_pictures import Curve, curves
from dfa_tune.analysis.verify import gather, verify
from dfa_tune.config.claims import load_claims
from dfa_tune.errors import UserError
from dfa_tune.planning.sweep import Sweep, load_sweep, space_names
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.results.provenance import Origin, origins
from dfa_tune.results.store import Store

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Following:
    """A report that is written anew while a sweep runs.

    said: how far the sweep is, in words; seconds: after so many the open page loads itself again
    """

    said: str
    seconds: int


@dataclass(frozen=True)
class Numbered:
    """A judged claim and its number on the page."""

    number: str
    judged: Judged


@dataclass(frozen=True)
class Family:
    """Claims that were judged together."""

    name: str
    claims: list[Numbered]

    @property
    def summary(self) -> str:
        """How many of them hold, do not hold, are undecided or not run."""
        return summary([one.judged for one in self.claims])

    @property
    def verdicts(self) -> dict[str, int]:
        """How many claims have each verdict."""
        return dict(Counter(one.judged.verdict for one in self.claims))


@dataclass(frozen=True)
class Section:
    """What the report shows of one space; figures are data URIs, "" if there is none."""

    sweep: Sweep
    figure: str
    rates: str = ""
    budget: str = ""
    tables: list[Table] = field(default_factory=list)
    tried: Table | None = None
    tuned_by: str = ""
    curves: list[Curve] = field(default_factory=list)
    exploded: list[Explosions] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    claims: list[Numbered] = field(default_factory=list)


def report(
    results: str | Path,
    *,
    spaces: Sequence[str] = (),
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    following: Following | None = None,
) -> str:
    """The HTML for these spaces (names, or paths of YAML files), or for all bundled ones.

    It has the claims about these spaces; spaces without results are listed as not run. With `following` the
    page loads itself again. Raises UserError if there are no results at all, unless it follows a run.
    """
    sweeps = [load_sweep(space, overrides=overrides, results=results) for space in spaces or space_names()]
    known = [(sweep, gather(sweep, results, data)) for sweep in sweeps]
    done = [(sweep, found) for sweep, found in known if not found.rows.empty]
    if not done and following is None:
        names = ", ".join(sweep.name for sweep in sweeps)
        first = spaces[0] if spaces else "quickstart"
        raise UserError(f"no results of {names} in {results} yet; run: dfa-tune run {first}")
    judged, about = _claims(results, spaces, sweeps, data, overrides) if done else ([], set())
    families = _families(judged)
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    return _template().render(
        title=sweeps[0].title if len(sweeps) == 1 else "Backpropagation and direct feedback alignment",
        following=following,
        families=families,
        thesis=THESIS,
        claims_csv=csv_uri([one.row() for one in judged]),
        picture=picture,
        small=SMALL,
        full=FULL,
        level=LEVEL,
        shown=shown,
        sections=[
            section(found, Store(results, sweep.name), _own(sweep, families) if sweep.name in about else [])
            for sweep, found in done
        ],
        not_run=[sweep for sweep, found in known if found.rows.empty],
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def section(found: SweepResults, store: Store, claims: Sequence[Numbered] = ()) -> Section:
    """The figures, the tables, the tuning and the provenance of one space."""
    sweep, key = found.sweep, figures.key(found)
    made = [
        table("Final test accuracy", tables.summary_table(found)),
        table("Learning rates", tables.best_table(found), mark="at_edge"),
    ]
    tried = tables.tried_table(found)
    return Section(
        sweep,
        image(store, sweep.name, key, lambda: figures.draw(found)),
        image(store, f"{sweep.name}-rates", key, lambda: rates.figure(found)),
        image(store, f"{sweep.name}-budget", key, lambda: budget.figure(found)),
        [one for one in made if one.rows],
        table("Every learning rate tried", tried, mark="chosen") if tried else None,
        panels.tuned_by(found),
        curves(found),
        explosions(found),
        origins(store),
        list(claims),
    )


def image(store: Store, name: str, key: str, draw: Callable[[], Figure | None]) -> str:
    """The figure as an SVG image in a data URI; "" if there is none.

    Drawing takes a second or two, so the saved file is used if it was made from the same results (`key`).
    """
    try:
        content = store.folder("figures").read(f"{name}.svg")
    except FileNotFoundError:
        content = b""
    if key.encode() not in content:
        figure = draw()
        if figure is None:
            return ""
        content = figures.rendered(figure, "svg", key)
    return f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"


def _claims(
    results: str | Path,
    spaces: Sequence[str],
    sweeps: Sequence[Sweep],
    data: str | Path | None,
    overrides: Sequence[str],
) -> tuple[list[Judged], set[str]]:
    """The claims about `spaces`, or the thesis' if none is named, and the names of the judged sweeps.

    There are none if no claim is about the spaces. Of several spaces that stand for one figure, the first one
    is judged.
    """
    names = set[str]().union(*(claim.spaces for claim in load_claims()))
    if not spaces:
        return verify(results, data=data, overrides=overrides), names
    about, judged, seen = [], set[str](), set[str]()
    for space, sweep in zip(spaces, sweeps, strict=True):
        figure = sweep.figure_name
        if (sweep.claims and figure is None) or (figure in names and figure not in seen):
            about.append(space)
            judged.add(sweep.name)
            seen.add(figure or "")
    if not about:
        return [], judged
    return verify(results, spaces=about, data=data, overrides=overrides), judged


def _families(judged: Sequence[Judged]) -> list[Family]:
    return [
        Family(name, [Numbered(f"{number}-{place}", one) for place, one in enumerate(claims, 1)])
        for number, (name, claims) in enumerate(groupby(judged, lambda one: one.family), 1)
    ]


def _own(sweep: Sweep, families: Sequence[Family]) -> list[Numbered]:
    """The claims that are about the sweep, which may stand for a figure's space."""
    known_as = {sweep.name, sweep.figure_name}
    return [one for family in families for one in family.claims if one.judged.claim.spaces & known_as]


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")

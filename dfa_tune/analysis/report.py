"""The report: one self-contained HTML file with claims, figures, tables, provenance and settings.

What it shows may come from a stranger. So Jinja2 escapes all of it, figures are images, in which no script
runs, and the page's security policy allows only its own script.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, rates, tables
from dfa_tune.analysis.claim_pictures import FULL, SMALL, picture
from dfa_tune.analysis.explosions import Explosions, explosions
from dfa_tune.analysis.verify import LEVEL, THESIS, Judged, gather, shown, summary, verify
from dfa_tune.config.claims import load_claims
from dfa_tune.errors import UserError
from dfa_tune.planning.sweep import Sweep, load_sweep, space_names
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.results.provenance import Origin, origins
from dfa_tune.results.store import Store

TEMPLATES = Path(__file__).parent / "templates"
HEADINGS = {"learning_rate": "learning rate", "mean": "mean accuracy", "at_edge": "at the range's edge"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, and the value that the column is sorted by."""

    text: str
    value: str | float


@dataclass(frozen=True)
class Table:
    """A table, and the same rows as CSV in a data URI."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    csv: str


@dataclass(frozen=True)
class Section:
    """What the report shows of one space; figures are data URIs, "" if there is none."""

    sweep: Sweep
    figure: str
    rates: str = ""
    tables: list[Table] = field(default_factory=list)
    exploded: list[Explosions] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)


def report(
    results: str | Path,
    *,
    spaces: Sequence[str] = (),
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
) -> str:
    """The HTML for these spaces (names, or paths of YAML files), or for all bundled ones.

    It has the claims about these spaces; spaces without results are listed as not run. Raises UserError if
    there are no results at all.
    """
    sweeps = [load_sweep(space, overrides=overrides, results=results) for space in spaces or space_names()]
    known = [(sweep, gather(sweep, results, data)) for sweep in sweeps]
    done = [(sweep, found) for sweep, found in known if not found.rows.empty]
    if not done:
        names = ", ".join(sweep.name for sweep in sweeps)
        first = spaces[0] if spaces else "quickstart"
        raise UserError(f"no results of {names} in {results} yet; run: dfa-tune run {first}")
    judged = _claims(results, spaces, sweeps, data, overrides)
    script = (TEMPLATES / "report.js").read_text()
    return _template().render(
        title=done[0][0].title if len(sweeps) == 1 else "Backpropagation and direct feedback alignment",
        families=[(name, list(claims)) for name, claims in groupby(judged, lambda one: one.family)],
        thesis=THESIS,
        claims_csv=_csv([one.row() for one in judged]),
        summary=summary,
        picture=picture,
        small=SMALL,
        full=FULL,
        level=LEVEL,
        shown=shown,
        sections=[section(found, Store(results, sweep.name)) for sweep, found in done],
        not_run=[sweep for sweep, found in known if found.rows.empty],
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def section(found: SweepResults, store: Store) -> Section:
    """The figures, the tables and the provenance of one space."""
    sweep, key = found.sweep, figures.key(found)
    made = [
        table("Final test accuracy", tables.summary_table(found)),
        table("Learning rates", tables.best_table(found)),
    ]
    return Section(
        sweep,
        image(store, sweep.name, key, lambda: figures.draw(found)),
        image(store, f"{sweep.name}-rates", key, lambda: rates.figure(found)),
        [one for one in made if one.rows],
        explosions(found),
        origins(store),
    )


def table(title: str, rows: Sequence[Row]) -> Table:
    """Rows with the same keys as a table; numbers are rounded to three decimals, rates to three digits."""
    columns = list(rows[0]) if rows else []
    cells = [[_cell(name, row[name]) for name in columns] for row in rows]
    return Table(title, [HEADINGS.get(name, name) for name in columns], cells, _csv(rows))


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
) -> list[Judged]:
    """The claims about `spaces`, or the thesis' if none is named; empty if no claim is about them.

    Of several spaces that stand for one figure, the first one is judged.
    """
    names = set[str]().union(*(claim.spaces for claim in load_claims()))
    about, seen = [], set[str]()
    for space, sweep in zip(spaces, sweeps, strict=False):
        figure = sweep.figure_name
        if (sweep.claims and figure is None) or (figure in names and figure not in seen):
            about.append(space)
            seen.add(figure or "")
    if spaces and not about:
        return []
    return verify(results, spaces=about, data=data, overrides=overrides)


def _cell(name: str, value: Any) -> Cell:
    if value is None:
        return Cell("-", "")
    if isinstance(value, bool):
        return Cell("yes" if value else "no", int(value))
    if isinstance(value, float):
        return Cell(f"{value:.3g}" if name == "learning_rate" else f"{value:.3f}", value)
    return Cell(str(value), value if isinstance(value, int) else str(value))


def _csv(rows: Sequence[Row]) -> str:
    """A data URI of the rows with all their digits; text that a spreadsheet would compute begins with '."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _harmless(value) for key, value in row.items()} for row in rows)
    return f"data:text/csv;base64,{base64.b64encode(text.getvalue().encode()).decode()}"


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")

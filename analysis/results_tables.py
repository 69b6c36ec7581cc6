"""Fills tables and numbers into docs/RESULTS.md and README.md, so that nobody types them.

python analysis/results_tables.py docs/RESULTS.md README.md --results docs/results

Everything between `<!-- begin: WHAT -->` and `<!-- end -->` is replaced. WHAT is `claims` (the table),
`claims SPACE,SPACE` (those about these spaces, as `dfa-tune verify SPACE SPACE` judges them), `verdicts` (how
many hold), `summary SPACE` (rates and final accuracies), `figure SPACE`, `provenance`; `conditions SPACE`
(the verdicts about a space and its variants side by side), `gaps SPACE` (of DFA to BP), `brink SPACE` (what a
rate that is too high costs) or `chosen SPACE,SPACE` (scores of chosen rates in tuning and in repetitions).

`--keep SPACE`: what a block says of this space stays, because it has not been trained again yet.
"""

import argparse
import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dfa_tune.analysis import tables
from dfa_tune.analysis.figure_modules import load_module
from dfa_tune.analysis.judging import shown, summary
from dfa_tune.analysis.verify import verify
from dfa_tune.planning.sweep import load_sweep, space_names
from dfa_tune.planning.sweep_results import load_sweep_results
from dfa_tune.results.provenance import origins
from dfa_tune.results.store import Store

BLOCK = re.compile(r"(<!-- begin: (\w+) ?(\S*) -->\n).*?(<!-- end -->)", re.DOTALL)
NOT_RUN = "Not run yet.\n"
BEYOND = (10**0.25, 10**0.5)  # how far beyond the best rate: the steps of refined and of first rates


def fill(text: str, results: Path, folder: Path, keep: Sequence[str] = ()) -> str:
    """`text` with every block filled from `results`; links are relative to `folder`.

    Blocks about a space in `keep` stay as they are.
    """
    makers: dict[str, Callable[[str], str]] = {
        "claims": lambda spaces: claims(results, tuple(filter(None, spaces.split(",")))),
        "verdicts": lambda _: summary(judged(results)) + "\n",
        "summary": lambda space: accuracies(results, space),
        "figure": lambda space: figure(results, space, folder),
        "provenance": lambda _: provenance(results),
        "conditions": lambda space: conditions(results, space),
        "gaps": lambda space: markdown(
            ["optimizer", "BP", "DFA", "BP minus DFA (95% interval)", "pairs"],
            load_module("conditions").gaps(load_sweep_results(space, results)),
        ),
        "brink": lambda space: brink(results, space),
        "chosen": lambda spaces: chosen(results, spaces.split(",")),
    }

    def filled(found: re.Match[str]) -> str:
        return found[0] if found[3] in keep else found[1] + makers[found[2]](found[3]) + found[4]

    return BLOCK.sub(filled, text)


@cache
def judged(results: Path, spaces: tuple[str, ...] = ()) -> list[Any]:
    """Every claim with its verdict, or those about `spaces`."""
    return verify(results, spaces=spaces)


def claims(results: Path, spaces: tuple[str, ...]) -> str:
    """Every claim, or those about `spaces`: expected, measured with its interval, n and verdict.

    Beside them: the n that an undecided claim is expected to need, exploded methods, why a claim is not run.
    """
    rows = []
    for one in judged(results, spaces):
        part = f" ({one.part})" if one.part else ""
        interval = "" if one.low is None else f" ({shown(one.low)} to {shown(one.high)})"
        more = f" of ~{one.expected_n}" if one.expected_n else ""
        said = "".join(f"; {words}" for words in (*map(str, one.exploded), one.note) if words)
        rows.append(
            [
                f"{one.claim.claim}{part}<br><sub>{one.claim.source}{said}</sub>",
                one.claim.expected,
                shown(one.measured) + interval,
                f"{one.n or '-'}{more}",
                f"**{one.verdict}**",
            ]
        )
    return markdown(["claim", "expected", "measured", "n", "verdict"], rows)


def accuracies(results: Path, space: str) -> str:
    """Each method's rate (* at the edge of its range) and final test accuracy."""
    loaded = load_sweep_results(space, results)
    axes = ["problem.n" if name == "n" else name for name in loaded.axis_names]
    edges = {tuple(row[k] for k in ("method", *axes)): row["at_edge"] for row in tables.best_table(loaded)}
    found = tables.summary_table(loaded)
    if not found:
        return NOT_RUN
    lines = []
    for row in found:
        place = tuple(row[key] for key in ("method", *axes))
        interval = "-" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
        rate = f"{row['learning_rate']:.3g}{'*' if edges.get(place) else ''}"
        lines.append([*map(str, place), rate, str(row["n"]), shown(row["mean"]), interval])
    return markdown(["method", *axes, "rate", "n", "final test accuracy", "95% interval"], lines)


def figure(results: Path, space: str, folder: Path) -> str:
    """The image, where it has been drawn, and a link to the one of the rates tried, where any were."""
    drawn, tried = (results / space / "figures" / f"{space}{part}.png" for part in ("", "-rates"))
    if not drawn.is_file():
        return NOT_RUN
    image, rates = (Path(os.path.relpath(path, folder)).as_posix() for path in (drawn, tried))
    link = f"\n[Every learning rate tried]({rates})\n" if tried.is_file() else ""
    return f"![{load_sweep(space).title}]({image})\n{link}"


def conditions(results: Path, space: str) -> str:
    """The claims about `space` alone, and their verdicts under each of its conditions."""
    spaces = load_module("conditions").CONDITIONS
    columns = [{one.claim.id: one for one in judged(results, (name,))} for name in spaces]
    rows = []
    for claim in (one.claim for one in columns[0].values() if one.claim.spaces == {space}):
        found = [column[claim.id] for column in columns]
        cells = [f"**{one.verdict}**, {shown(one.measured)}, n = {one.n}" for one in found]
        rows.append([claim.claim, claim.expected, *cells])
    return markdown(["claim", "expected", *spaces.values()], rows)


def brink(results: Path, space: str) -> str:
    """For each method: its score in tuning at the best rate, and at the next rates above that were tried."""
    loaded = load_sweep_results(space, results)
    tried = pd.DataFrame(tables.tried_table(loaded))
    if tried.empty:
        return NOT_RUN
    rows = []
    for method, part in tried.groupby("method", sort=False):
        best = part[part["chosen"]]
        if best.empty:
            continue
        rate, score = best[["learning_rate", "score"]].iloc[0]
        line = [str(method), f"{rate:.3g}", f"{score:.3f}"]
        for factor in BEYOND:
            at = part[np.isclose(part["learning_rate"], rate * factor, rtol=0.02)]
            line.append(f"{at['score'].iloc[0]:.3f} ({at['score'].iloc[0] - score:+.3f})" if len(at) else "-")
        rows.append(line)
    above = [f"at {factor:.2g} times that rate" for factor in BEYOND]
    return markdown(["method", "best rate", "score", *above], rows)


def chosen(results: Path, spaces: list[str]) -> str:
    """The scores of the chosen rates where they were chosen, and of the repetitions there at these rates."""
    lines, more = [], []
    for space in spaces:
        loaded = load_sweep_results(space, results)
        axes = ["problem.n" if name == "n" else name for name in loaded.axis_names]
        tuned = {
            tuple(row[key] for key in ("method", *axes)): row["criterion"]
            for row in tables.best_table(loaded)
        }
        scored = loaded.finals.assign(score=loaded.finals["trial_id"].map(loaded.scores))
        for name, value in loaded.sweep.tuning.at.items():  # elsewhere the same rate is used, untuned
            scored = scored[scored[name.rpartition(".")[2]] == value]
        for place, part in scored.groupby(["method", *loaded.axis_names], sort=False):
            if (criterion := tuned.get(place)) is not None:
                mean = float(part["score"].mean())
                more.append(criterion - mean)
                numbers = [f"{criterion:.3f}", f"{mean:.3f}", f"{criterion - mean:+.4f}", str(len(part))]
                lines.append([space, " ".join(map(str, place)), *numbers])
    if not lines:
        return NOT_RUN
    said = f"On average over {len(more)} tunings a chosen rate scores {np.mean(more):+.4f} more there.\n\n"
    return said + markdown(["space", "method", "in tuning", "in repetitions", "difference", "n"], lines)


def provenance(results: Path) -> str:
    """The machines and versions that the results come from, and when."""
    lines = []
    for space in space_names():
        for origin in origins(Store(results, space)):
            about = origin.values
            dirty = ", changed" if about["git_dirty"] == "true" else ""
            when = f"{origin.start[:16]} to {origin.end[:16]} UTC"
            versions = f"Python {about['python']}, torch {about['torch']}"
            lines.append([space, when, about["device"], versions, f"{about['git_revision'][:12]}{dirty}"])
    return markdown(["space", "when", "device", "versions", "revision"], lines) if lines else NOT_RUN


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    cells = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Fills tables into Markdown files.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--results", type=Path, default=Path("docs/results"))
    parser.add_argument("--keep", action="append", default=[], metavar="SPACE")
    given = parser.parse_args()
    for file in given.files:
        file.write_text(fill(file.read_text(), given.results, file.parent, given.keep))

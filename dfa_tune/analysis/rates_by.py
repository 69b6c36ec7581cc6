"""The chosen learning rate of each method against an axis of the sweep."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from dfa_tune.analysis import for_paper
from dfa_tune.analysis.along_axis import along, points, table_with
from dfa_tune.analysis.default_figure import point_title
from dfa_tune.analysis.drawn_axes import rows_at
from dfa_tune.analysis.layout import same_scale
from dfa_tune.analysis.styles import styles
from dfa_tune.errors import UserError
from dfa_tune.planning.sweep_results import SweepResults


def figure(
    results: SweepResults, x: str, panels: str | None = None, width: float = for_paper.COLUMN
) -> tuple[Figure, str]:
    """The learning rate that was chosen, on a logarithmic scale, with a line for each method; and a caption.

    A ring marks a rate at the edge of the range that was tried: a better one may lie beyond. Of axes that are
    neither across nor in panels, each combination is a line of its own in the method's style. Raises
    UserError for an unknown axis, or if no learning rate is chosen yet.
    """
    axes = along(results, x, panels, "--rates-by")
    table = chosen_rates(results)
    if table.empty:
        raise UserError(f"{results.sweep.name}: no learning rate is chosen by tuning yet")
    table, look = table_with(results, table), styles(results)
    beside = points(results, table, axes.beside)
    with for_paper.fonts():
        drawing, drawn = for_paper.canvas(len(beside), width)
        for ax, at in zip(drawn, beside, strict=True):
            places = axes.places(results, table)
            for point in points(results, table, axes.lines):
                part = rows_at(rows_at(table, at), point)
                for method, style in look.items():
                    own = part[part["method"] == method]
                    line = own.assign(at=own[axes.x].map(places)).dropna(subset="at").sort_values("at")
                    if line.empty:
                        continue
                    ax.plot(
                        line["at"],
                        line["learning_rate"],
                        color=style.color,
                        linestyle=style.linestyle,
                        marker=style.marker,
                        label=method,
                    )
                    edge = line[line["at_edge"].astype(bool)]
                    ax.plot(edge["at"], edge["learning_rate"], "o", ms=8, fillstyle="none", color=style.color)
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # rates may all lie within a decade
            ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.yaxis.set_minor_locator(NullLocator())
            axes.label_across(ax, places)
            ax.set_title(point_title(at), parse_math=False)
            ax.grid(color="0.92", linewidth=0.4)
        same_scale(drawn)
        drawing.supylabel("chosen learning rate", fontsize=8)
        for_paper.legend_above(drawing, drawn)
    drawing.set_label(f"{results.sweep.name}-rates-by-{axes.x}")
    ring = " A ring marks the edge of the range tried." if table["at_edge"].any() else ""
    return drawing, f"The learning rate chosen for each method by {results.sweep.tuning.metric}.{ring}"


def chosen_rates(results: SweepResults) -> pd.DataFrame:
    """A row for each cell whose rate was chosen by tuning: method, the axes, learning_rate and at_edge."""
    found = []
    for cell in results.plan.cells:
        choice = cell.choice(results.scores)
        if choice is not None and choice.score is not None:
            chosen = {"learning_rate": choice.learning_rate, "at_edge": choice.at_edge}
            found.append({"method": cell.method.name, **cell.axes, **chosen})
    return pd.DataFrame(found)

"""The quickstart's figure: how the rates were chosen, accuracy by epoch, final accuracy.

python analysis/quickstart.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots, tables
from dfa_tune.planning.plan import Agenda


def figure(rows: pd.DataFrame, agenda: Agenda) -> Figure:
    """Left: each learning rate tried. Middle and right: the repetitions at the chosen rates."""
    if tables.axis_names(agenda):  # a list was given with --set
        return figures.default(rows, agenda)
    look = plots.styles(agenda)
    drawing, (tried, curves, final) = plots.canvas(3, agenda)
    plots.tuning(tried, agenda, rows, look, agenda.cells)
    tried.set_title("Learning rates tried (ring: chosen)", fontsize=10)
    plots.by_epoch(curves, tables.repeats(agenda, rows), look)
    curves.set_title("Fresh seeds at the chosen rate", fontsize=10)
    plots.final_by_method(final, tables.finals(agenda, rows), look)
    final.set_title("After the last epoch", fontsize=10)
    return plots.finish(drawing, agenda, rows)


if __name__ == "__main__":
    figures.command("quickstart")

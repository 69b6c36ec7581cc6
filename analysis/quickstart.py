"""The quickstart's figure: how the rates were chosen, accuracy by epoch, final accuracy.

python analysis/quickstart.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots, tables
from dfa_tune.planning.plan import Plan


def figure(rows: pd.DataFrame, plan: Plan) -> Figure:
    """Left: each learning rate tried. Middle and right: the repetitions at the chosen rates."""
    if tables.axis_names(plan):  # a list was given with --set
        return figures.default(rows, plan)
    look = plots.styles(plan)
    drawing, (tried, curves, final) = plots.canvas(3, plan)
    plots.tuning(tried, plan, rows, look, plan.cells)
    tried.set_title("Learning rates tried (ring: chosen)", fontsize=10)
    plots.by_epoch(curves, tables.repeats(plan, rows), look)
    curves.set_title("Fresh seeds at the chosen rate", fontsize=10)
    plots.final_by_method(final, tables.finals(plan, rows), look)
    final.set_title("After the last epoch", fontsize=10)
    return plots.finish(drawing, plan, rows)


if __name__ == "__main__":
    figures.command("quickstart")

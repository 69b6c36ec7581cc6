"""Figure 3.3: DFA with four feedback initialisations, final accuracy (thesis section 3.1).

python analysis/fig_3_3.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots, tables
from dfa_tune.planning.plan import Plan


def figure(rows: pd.DataFrame, plan: Plan) -> Figure:
    """Left: final accuracies. Right: the rates tried, for the thesis says that the best ones differ a lot."""
    if tables.axis_names(plan):  # a list was given with --set
        return figures.default(rows, plan)
    look = plots.styles(plan)
    drawing, (final, tried) = plots.canvas(2, plan)
    plots.final_by_method(final, tables.finals(plan, rows), look)
    final.set_title("After the last epoch, fresh seeds", fontsize=10)
    plots.tuning(tried, plan, rows, look, plan.cells)
    tried.set_title("Learning rates tried (ring: chosen)", fontsize=10)
    return plots.finish(drawing, plan, rows)


if __name__ == "__main__":
    figures.command("fig_3_3")

"""Figure 2.2: clusters, test error against n and against d (thesis section 2.2).

python analysis/fig_2_2.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import clusters, figures, plots, tables
from dfa_tune.planning.plan import Plan


def figure(rows: pd.DataFrame, plan: Plan) -> Figure:
    """Left: the data of the first repetition. Middle and right: the error, the other of n and d fixed."""
    if set(tables.axis_names(plan)) - {"n", "d"}:  # more lists were given with --set
        return figures.default(rows, plan)
    look, ended = plots.styles(plan), clusters.ends(plan, rows)
    drawing, (data, by_n, by_d) = plots.canvas(3, plan)
    trial = plan.cells[0].due({})[-1]
    clusters.scatter(data, trial.problem, trial.seed)
    clusters.error_along(by_n, ended, "n", look)
    clusters.error_along(by_d, ended, "d", look)
    plots.same_scale([by_n, by_d])
    return plots.finish(drawing, plan, rows)


if __name__ == "__main__":
    figures.command("fig_2_2")

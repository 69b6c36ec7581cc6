"""Figure 3.4: BP and DFA with five optimizers (thesis section 3.1).

python analysis/fig_3_4.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots, tables
from dfa_tune.planning.plan import Plan


def figure(rows: pd.DataFrame, plan: Plan) -> Figure:
    """Accuracy by epoch, a panel for each rule, and the final accuracies of all methods."""
    rules = list(dict.fromkeys(cell.method.rule for cell in plan.cells))
    if tables.axis_names(plan) or len(rules) > 2:  # lists were given with --set
        return figures.default(rows, plan)
    look, repeats = plots.styles(plan), tables.repeats(plan, rows)
    drawing, (*curves, final) = plots.canvas(1 + len(rules), plan)
    for ax, rule in zip(curves, rules, strict=True):
        plots.by_epoch(ax, repeats[repeats["rule"] == rule], look)
        ax.set_title(rule.upper(), fontsize=10)
    plots.final_by_method(final, tables.finals(plan, rows), look)
    final.set_title("After the last epoch", fontsize=10)
    plots.same_scale(curves)
    return plots.finish(drawing, plan, rows)


if __name__ == "__main__":
    figures.command("fig_3_4")

"""Figure 3.4: BP and DFA with five optimizers (thesis section 3.1).

python analysis/fig_3_4.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots, tables
from dfa_tune.planning.plan import Agenda


def figure(rows: pd.DataFrame, agenda: Agenda) -> Figure:
    """Accuracy by epoch, a panel for each rule, and the final accuracies of all methods."""
    rules = list(dict.fromkeys(cell.method.rule for cell in agenda.cells))
    if tables.axis_names(agenda) or len(rules) > 2:  # lists were given with --set
        return figures.default(rows, agenda)
    look, repeats = plots.styles(agenda), tables.repeats(agenda, rows)
    drawing, (*curves, final) = plots.canvas(1 + len(rules), agenda)
    for ax, rule in zip(curves, rules, strict=True):
        plots.by_epoch(ax, repeats[repeats["rule"] == rule], look)
        ax.set_title(rule.upper(), fontsize=10)
    plots.final_by_method(final, tables.finals(agenda, rows), look)
    final.set_title("After the last epoch", fontsize=10)
    plots.same_scale(curves)
    return plots.finish(drawing, agenda, rows)


if __name__ == "__main__":
    figures.command("fig_3_4")

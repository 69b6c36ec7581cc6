"""Figure 3.2: DFA given more time, and the alignment of its feedback with w2 (thesis section 3.1).

python analysis/fig_3_2.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots, tables
from dfa_tune.planning.plan import Plan


def figure(rows: pd.DataFrame, plan: Plan) -> Figure:
    """Left: accuracy by epoch. Right: the cosine of B and w2, of the methods that have a feedback."""
    if tables.axis_names(plan):  # a list was given with --set
        return figures.default(rows, plan)
    look, repeats = plots.styles(plan), tables.repeats(plan, rows)
    drawing, (accuracy, alignment) = plots.canvas(2, plan)
    plots.by_epoch(accuracy, repeats, look)
    accuracy.set_title("Accuracy", fontsize=10)
    plots.by_epoch(alignment, repeats[repeats["feedback"].notna()], look, "feedback_alignment")
    alignment.set_title("Alignment", fontsize=10)
    return plots.finish(drawing, plan, rows)


if __name__ == "__main__":
    figures.command("fig_3_2")

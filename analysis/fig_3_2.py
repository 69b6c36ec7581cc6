"""Figure 3.2: DFA given more time, and the alignment of its feedback with w2 (thesis section 3.1).

python analysis/fig_3_2.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots, tables
from dfa_tune.planning.plan import Agenda


def figure(rows: pd.DataFrame, agenda: Agenda) -> Figure:
    """Left: accuracy by epoch. Right: the cosine of B and w2, of the methods that have a feedback."""
    if tables.axis_names(agenda):  # a list was given with --set
        return figures.default(rows, agenda)
    look, repeats = plots.styles(agenda), tables.repeats(agenda, rows)
    drawing, (accuracy, alignment) = plots.canvas(2, agenda)
    plots.by_epoch(accuracy, repeats, look)
    accuracy.set_title("Accuracy", fontsize=10)
    plots.by_epoch(alignment, repeats[repeats["feedback"].notna()], look, "feedback_alignment")
    alignment.set_title("Alignment", fontsize=10)
    return plots.finish(drawing, agenda, rows)


if __name__ == "__main__":
    figures.command("fig_3_2")

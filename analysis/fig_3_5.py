"""Figure 3.5: alignments of DFA with SGD and with RMSProp (thesis section 3.1).

python analysis/fig_3_5.py [--results DIR]
"""

import pandas as pd
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots, tables
from dfa_tune.planning.plan import Plan

PANELS = {
    "feedback_alignment": "Feedback and weights",
    "gradient_alignment": "DFA's gradient and BP's",
    "test_accuracy": "Accuracy",
}


def figure(rows: pd.DataFrame, plan: Plan) -> Figure:
    """Both alignments by epoch, and the accuracy, which does not follow them."""
    if tables.axis_names(plan):  # a list was given with --set
        return figures.default(rows, plan)
    repeats = tables.repeats(plan, rows)
    drawing, axes = plots.canvas(len(PANELS), plan)
    for ax, (metric, title) in zip(axes, PANELS.items(), strict=True):
        plots.by_epoch(ax, repeats, plots.styles(plan), metric)
        ax.set_title(title, fontsize=10)
    plots.same_scale(axes[:2])
    return plots.finish(drawing, plan, rows)


if __name__ == "__main__":
    figures.command("fig_3_5")

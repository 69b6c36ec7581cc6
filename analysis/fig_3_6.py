"""Figure 3.6: where DFA lies on the clusters, test error against n and d (thesis section 3.2).

Draw it with `dfa-tune plot fig_3_6`.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, layout, styles
from dfa_tune.planning.sweep_results import SweepResults

from . import clusters


def figure(results: SweepResults) -> Figure:
    """The data, the test error with SGD against n and d, and beside them RMSProp's errors against d."""
    if set(results.axis_names) - {"n", "d"}:  # more lists were given with --set
        return figures.default(results)
    ended = clusters.ends(results)
    sgd = ended[ended["method"].str.endswith("-sgd")]
    drawing, (data, by_n, by_d, extension) = layout.canvas(4, results)
    trial = results.plan.cells[0].due({})[-1]
    clusters.scatter(data, trial.problem, trial.seed)
    clusters.error_along(by_n, results, sgd, "n")
    clusters.error_along(by_d, results, sgd, "d")
    rmsprop(extension, results, ended[ended["method"].str.endswith("-rmsprop")])
    layout.same_scale([by_n, by_d, extension])
    return layout.finish(drawing, results, clusters.NOTE)


def rmsprop(ax: Axes, results: SweepResults, ended: pd.DataFrame) -> None:
    """The extension: test error, and the training error as a thin line without markers, against d."""
    clusters.error_along(ax, results, ended, "d")
    look = styles.styles(results)
    at_n = ended[ended["n"] == clusters.N]
    for method, part in at_n.groupby("method"):
        error = 1 - part.groupby("d")["train_accuracy"].mean()
        ax.plot(error.index, error, color=look[str(method)].color, ls=look[str(method)].linestyle, lw=0.8)
    ax.set_title(f"RMSProp, n = {clusters.N} (thin: training error)", fontsize=10)
    ax.set_ylabel("final error (fraction)")

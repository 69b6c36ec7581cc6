"""Figure 2.2: clusters, test error against n and against d (thesis section 2.2).

Draw it with `dfa-tune plot fig_2_2`.
"""

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, layout
from dfa_tune.planning.sweep_results import SweepResults

from . import clusters


def figure(results: SweepResults) -> Figure:
    """Left: the data of the first repetition. Middle and right: the error, the other of n and d fixed."""
    if set(results.axis_names) - {"n", "d"}:  # more lists were given with --set
        return figures.default(results)
    ended = clusters.ends(results)
    drawing, (data, by_n, by_d) = layout.canvas(3, results)
    trial = results.plan.cells[0].due({})[-1]
    clusters.scatter(data, trial.problem, trial.seed)
    clusters.error_along(by_n, results, ended, "n")
    clusters.error_along(by_d, results, ended, "d")
    layout.same_scale([by_n, by_d])
    return layout.finish(drawing, results, clusters.NOTE)

"""The quickstart's figure: how the rates were chosen, accuracy by epoch, final accuracy.

Draw it with `dfa-tune plot quickstart`.
"""

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots
from dfa_tune.planning.sweep_results import SweepResults


def figure(results: SweepResults) -> Figure:
    """Left: each learning rate tried. Middle and right: the repetitions at the chosen rates."""
    if results.axis_names:  # a list was given with --set
        return figures.default(results)
    look = plots.styles(results)
    drawing, (tried, curves, final) = plots.canvas(3, results)
    plots.tuning(tried, results, look, results.plan.cells)
    tried.set_title("Learning rates tried (ring: chosen)", fontsize=10)
    plots.by_epoch(curves, results.repeat_rows, look)
    curves.set_title("Fresh seeds at the chosen rate", fontsize=10)
    plots.final_by_method(final, results.finals, look)
    final.set_title("After the last epoch", fontsize=10)
    return plots.finish(drawing, results)

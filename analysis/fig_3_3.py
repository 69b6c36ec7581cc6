"""Figure 3.3: DFA with four feedback initialisations, final accuracy (thesis section 3.1).

Draw it with `dfa-tune plot fig_3_3`.
"""

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, plots
from dfa_tune.planning.sweep_results import SweepResults


def figure(results: SweepResults) -> Figure:
    """Left: final accuracies. Right: the rates tried, for the thesis says that the best ones differ a lot."""
    if results.axis_names:  # a list was given with --set
        return figures.default(results)
    look = plots.styles(results)
    drawing, (final, tried) = plots.canvas(2, results)
    plots.final_by_method(final, results.finals, look)
    final.set_title("After the last epoch, fresh seeds", fontsize=10)
    plots.tuning(tried, results, look, results.plan.cells)
    tried.set_title("Learning rates tried (ring: chosen)", fontsize=10)
    return plots.finish(drawing, results)

"""Figure 3.3: DFA with four feedback initialisations, final accuracy (thesis section 3.1).

Draw it with `dfa-tune plot fig_3_3`.
"""

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, layout, panels
from dfa_tune.planning.sweep_results import SweepResults


def figure(results: SweepResults) -> Figure:
    """Left: final accuracies. Right: the rates tried, whose best ones differ a lot, as the thesis says."""
    if results.axis_names:  # a list was given with --set
        return figures.default(results)
    drawing, (final, tried) = layout.canvas(2, results)
    panels.final_by_method(final, results, results.finals)
    final.set_title("After the last epoch, fresh seeds", fontsize=10)
    panels.tuning(tried, results, results.plan.cells)
    tried.set_title("Learning rates tried (ring: chosen)", fontsize=10)
    return layout.finish(drawing, results)

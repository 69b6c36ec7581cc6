"""The quickstart's figure: how the rates were chosen, accuracy by epoch, final accuracy.

Draw it with `dfa-tune plot quickstart`.
"""

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, layout, panels
from dfa_tune.planning.sweep_results import SweepResults


def figure(results: SweepResults) -> Figure:
    """Left: each learning rate tried. Middle and right: the repetitions at the chosen rates."""
    if results.axis_names:  # a list was given with --set
        return figures.default(results)
    drawing, (tried, curves, final) = layout.canvas(3, results)
    panels.tuning(tried, results, results.plan.cells)
    tried.set_title("Learning rates tried (ring: chosen)", fontsize=10)
    panels.by_epoch(curves, results, results.repeat_rows)
    curves.set_title("Fresh seeds at the chosen rate", fontsize=10)
    panels.final_by_method(final, results, results.finals)
    final.set_title("After the last epoch", fontsize=10)
    return layout.finish(drawing, results)

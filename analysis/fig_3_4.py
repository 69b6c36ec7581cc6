"""Figure 3.4: BP and DFA with five optimizers (thesis section 3.1).

Draw it with `dfa-tune plot fig_3_4`.
"""

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, layout, panels
from dfa_tune.planning.sweep_results import SweepResults


def figure(results: SweepResults) -> Figure:
    """Accuracy by epoch, a panel for each rule, and the final accuracies of all methods."""
    rules = list(dict.fromkeys(cell.method.rule for cell in results.plan.cells))
    if results.axis_names or len(rules) > 2:  # lists were given with --set
        return figures.default(results)
    repeats = results.repeat_rows
    drawing, (*curves, final) = layout.canvas(1 + len(rules), results)
    for ax, rule in zip(curves, rules, strict=True):
        panels.by_epoch(ax, results, repeats[repeats["rule"] == rule])
        ax.set_title(rule.upper(), fontsize=10)
    panels.final_by_method(final, results, results.finals)
    final.set_title("After the last epoch", fontsize=10)
    layout.same_scale(curves)
    return layout.finish(drawing, results)

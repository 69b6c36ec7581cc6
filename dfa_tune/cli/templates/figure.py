"""NAME: accuracy by epoch, and the gradient's alignment with backpropagation, beside each other.

`dfa-tune plot SPACE --plugin NAME.py` draws it as SPACE-NAME.png and .svg. A space that is called NAME itself
has it in the place of the usual figure. Change what the panels show; dfa_tune/analysis/panels.py has more.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from dfa_tune.analysis import layout, panels
from dfa_tune.planning.sweep_results import SweepResults


def figure(results: SweepResults) -> Figure:
    """The figure of a sweep. `results` has a row for each epoch of each repetition in `repeat_rows`.

    It has a row for each repetition at its end in `finals`; columns are those of the Parquet files.
    """
    drawing, (accuracy, alignment) = layout.canvas(2, results)
    panels.by_epoch(accuracy, results, results.repeat_rows)
    panels.by_epoch(alignment, results, results.repeat_rows, "gradient_alignment")
    return layout.finish(drawing, results)

"""Figure 3.4 under its three conditions, side by side: as written, as run, and without weight decay.

As written: the weight decay that the thesis states. As run: what its public code did. Which of them shows the
pattern that the thesis describes is a result.

python analysis/conditions.py --results docs/results --output docs/images/conditions.png
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from dfa_tune.analysis import figures, layout, panels
from dfa_tune.analysis.statistics import t_interval
from dfa_tune.planning.sweep_results import SweepResults, load_sweep_results

CONDITIONS = {
    "fig_3_4": "as written: weight decay 0.001",
    "fig_3_4-as_run": "as the thesis' code ran it",
    "fig_3_4-no_decay": "without weight decay",
}


def load(results: Path) -> dict[str, SweepResults]:
    """The results of each condition by the name of its space."""
    return {space: load_sweep_results(space, results) for space in CONDITIONS}


def figure(loaded: dict[str, SweepResults]) -> Figure:
    """The final accuracies of all methods, a panel for each condition, on one scale."""
    first = next(iter(loaded.values()))
    drawing, axes = layout.canvas(len(loaded), first)
    for ax, (space, results) in zip(axes, loaded.items(), strict=True):
        panels.final_by_method(ax, results, results.finals)
        ax.set_title(CONDITIONS[space], fontsize=10)
    shown = [ax.get_xlim() for ax in axes if ax.lines]
    for ax in axes:
        ax.set_xlim(min((low for low, _ in shown), default=0), max((high for _, high in shown), default=1))
    note = "Each repetition (a cross: it exploded), their mean, and its 95% interval (Student's t)."
    return layout.caption_below(drawing, note)


def gaps(results: SweepResults) -> list[list[str]]:
    """For each optimizer: BP's and DFA's mean, and the paired gap with its 95% interval (Student's t)."""
    finals = results.finals.pivot_table(index="seed", columns="method", values="accuracy", dropna=False)
    rows = []
    for optimizer in dict.fromkeys(cell.method.optimizer for cell in results.plan.cells):
        names = [f"{rule}-{optimizer}" for rule in ("bp", "dfa")]
        if set(names) <= set(finals.columns):
            bp, dfa = (finals[name].dropna() for name in names)
            gap = (bp - dfa).dropna()
            interval = t_interval(gap.tolist())
            shown = "-" if interval.low is None else f"{interval.low:+.3f} to {interval.high:+.3f}"
            means = [f"{one.mean():.3f} (n = {len(one)})" for one in (bp, dfa)]
            rows.append([optimizer, *means, f"{interval.mean:+.3f} ({shown})", str(len(gap))])
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draws figure 3.4 under three conditions.")
    parser.add_argument("--results", type=Path, default=Path("docs/results"))
    parser.add_argument("--output", type=Path, default=Path("docs/images/conditions.png"))
    given = parser.parse_args()
    given.output.write_bytes(figures.rendered(figure(load(given.results)), given.output.suffix[1:]))

"""Time against trials, width, k and cores, for information, with plots in benchmarks/plots.

uv run python -m benchmarks scaling
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import torch

from benchmarks import baselines
from benchmarks.epoch import start
from benchmarks.figures import Figure, in_turn
from benchmarks.options import Options, parity

PLOTS = Path(__file__).resolve().parent / "plots"
TRIALS, WIDTHS, DIGITS = (1, 2, 4, 8, 16), (64, 128, 256, 512, 1024), (1, 2, 3, 4, 5)

Row = dict[str, list[float]]  # seconds by line, one value for each position on the axis


def measure(options: Options) -> list[Figure]:
    """Four series, each over one quantity, with a plot for each."""
    torch.set_num_threads(options.threads)
    small = replace(options, quick=True)  # a tenth of the tuples
    repeats = 1 if options.quick else options.repeats
    cores = range(1, len(os.sched_getaffinity(0)) + 1)
    rows: dict[str, tuple[Sequence[int], Row]] = {
        "trials in a pack": (TRIALS, _trials(small, repeats)),
        "hidden width": (WIDTHS, _sizes(small, repeats, [(options.k, width) for width in WIDTHS])),
        "digits k": (DIGITS, _sizes(small, repeats, [(k, options.width) for k in DIGITS])),
        "packs at once, each on a core": (tuple(cores), _cores(cores)),
    }
    if not options.quick:
        _plot(rows)
    return [
        Figure(group="scaling", name=f"{axis} = {at}: {line}", value=1000 * value, unit="ms", repeats=repeats)
        for axis, (positions, row) in rows.items()
        for line, values in row.items()
        for at, value in zip(positions, values, strict=True)
    ]


def _trials(options: Options, repeats: int) -> Row:
    """Seconds of an epoch per member."""
    with parity(options) as problem:
        functions: dict[str, Callable[[], object]] = {
            f"{kind} {count}": start(problem, options, "dfa", seeds=seeds).run_epoch
            for count in TRIALS
            for kind, seeds in (("of one seed", (0,) * count), ("of several seeds", tuple(range(count))))
        }
        taken = in_turn(functions, repeats)
    return {
        kind: [statistics.median(taken[f"{kind} {count}"]) / count for count in TRIALS]
        for kind in ("of one seed", "of several seeds")
    }


def _sizes(options: Options, repeats: int, cases: Sequence[tuple[int, int]]) -> Row:
    """Seconds of an epoch for each (k, width), with the floor and plain autograd."""
    row: Row = {"ours": [], "floor": [], "plain autograd": []}
    for k, width in cases:
        sized = replace(options, k=k, width=width)
        with parity(sized) as problem:
            plain = baselines.Plain(problem, width, 1e-3, 1e-3)
            functions: dict[str, Callable[[], object]] = {
                "ours": start(problem, sized, "dfa").run_epoch,
                "floor": baselines.floor(sized.samples, sized.tests, problem.inputs, width, sized.batch),
                "plain autograd": baselines.autograd_epoch(plain, sized.batch, tested=True),
            }
            taken = in_turn(functions, repeats)
        for name in row:
            row[name].append(statistics.median(taken[name]))
    return row


def _cores(counts: range) -> Row:
    """Seconds per epoch over all packs, with so many processes at the same time."""
    seconds = []
    for count in counts:
        command = [sys.executable, "-m", "benchmarks.scaling"]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        each = [float(process.communicate()[0].split()[-1]) for process in processes]
        seconds.append(statistics.mean(each) / count)
    return {"ours": seconds, "ideal": [seconds[0] / count for count in counts]}


def one_process() -> float:
    """Seconds of an epoch in this process, while other processes do the same."""
    torch.set_num_threads(1)
    options = Options(quick=True)
    with parity(options) as problem:
        training = start(problem, options, "dfa")
        training.run_epoch()
        begin, epochs = perf_counter(), 0
        while perf_counter() - begin < 5:  # long enough for starts and ends not to matter
            training.run_epoch()
            epochs += 1
        return (perf_counter() - begin) / epochs


def _plot(rows: dict[str, tuple[Sequence[int], Row]]) -> None:
    from matplotlib.figure import Figure as Canvas

    PLOTS.mkdir(exist_ok=True)
    for axis, (positions, row) in rows.items():
        canvas = Canvas(figsize=(5, 3.4), layout="constrained")
        axes = canvas.subplots()
        for line, values in row.items():
            axes.plot(positions, values, marker="o", label=line, linestyle=":" if line == "ideal" else "-")
        axes.set(xlabel=axis, ylabel="seconds", xticks=positions, ylim=(0, None))
        axes.set_title("an epoch of 6,400 tuples" + (", a trial's share" if "trials" in axis else ""))
        axes.legend()
        canvas.savefig(PLOTS / f"{axis.split(',')[0].replace(' ', '_')}.png", dpi=120)


if __name__ == "__main__":
    print(one_process())

"""Packs on a GPU: trials per hour by pack size, against one trial in a process of its own.

    uv run python -m benchmarks gpu --data DIR --json benchmarks/results.json

The same parity at its full size, members of several seeds (repetitions: each its own stream of data) and
of one (learning rates). A size that does not fit into the GPU's memory ends the row. Without a GPU it says
so and measures nothing, unless it is to show that it works: --quick uses the CPU and small packs then.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from time import perf_counter

import torch

from benchmarks.epoch import EPOCHS, start
from benchmarks.figures import Figure
from benchmarks.options import Options, parity
from dfa_tune.problems.draw import Problem

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TARGET = (15.0, 15.0)  # times the trials an hour of one trial a process, on an H100-class GPU


def measure(options: Options) -> list[Figure]:
    """For each kind of pack and precision, every size."""
    if not torch.cuda.is_available() and not options.quick:
        print("no GPU that torch can use here: not measured")
        return []
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with parity(options) as problem:
        return [figure for one_seed in (False, True) for figure in _row(problem, options, device, one_seed)]


def _row(problem: Problem, options: Options, device: str, one_seed: bool) -> Iterator[Figure]:
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU, no GPU here"
    kind = "one seed" if one_seed else "several seeds"
    alone: float | None = None
    for size in SIZES[:3] if options.quick else SIZES:
        seeds = (0,) * size if one_seed else tuple(range(size))
        try:
            taken = _epochs(problem, options, device, seeds)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return
        each = statistics.median(taken) / size
        alone = each if alone is None else alone
        yield Figure(
            group="gpu",
            name=f"{name}: dfa sgd, pack of {size} of {kind}: trials an hour / pack of 1",
            value=alone / each,
            target=TARGET if size == max(SIZES) else None,
            at_least=True,
            measured={"seconds an epoch and member": each, "trials an hour": 3600 / (each * EPOCHS)},
            repeats=len(taken),
        )


def _epochs(problem: Problem, options: Options, device: str, seeds: tuple[int, ...]) -> list[float]:
    """Seconds of epochs, after one that does not count; its last number is read, so nothing is pending."""
    training = start(problem, options, "dfa", seeds=seeds, device=device)
    training.run_epoch()
    taken = []
    for _ in range(options.repeats):
        begin = perf_counter()
        training.run_epoch()
        taken.append(perf_counter() - begin)
    return taken

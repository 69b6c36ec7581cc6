"""Packs on a GPU: trials per hour against one trial per process, and how much each technique contributes.

    uv run python -m benchmarks gpu --data DIR --json benchmarks/results.json

Measured on parity at its full size:

* packs whose members have different seeds (repetitions: each has its own data) or one seed (learning rates);
* a recorded step against the same step launched operation by operation;
* the product of one batch with the weights of all members, as a batched product and as one wide matrix;
* the time that the whole thesis would take, projected from a few epochs of each of its packs.

A series of sizes ends where a pack does not fit into the GPU's memory. Without a GPU nothing is measured,
except with --quick, which then uses the CPU and small packs to show that the benchmark works.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor

from benchmarks.epoch import EPOCHS, start
from benchmarks.figures import Figure, in_turn, ratio
from benchmarks.gpu_thesis import thesis
from benchmarks.options import Options, data_folder, parity
from dfa_tune.problems.epoch_sample import Problem

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
COMPARED = (1, 8, 64)  # pack sizes at which two ways to do the same are compared
TARGET = (15.0, 15.0)  # x the trials per hour of one trial per process, on an H100-class GPU


def measure(options: Options) -> list[Figure]:
    """Packs of every size, one trial per process, the recorded step, the wide product, the thesis."""
    if not torch.cuda.is_available() and not options.quick:
        print("no GPU that torch can use here: not measured")
        return []
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with data_folder(options.data) as folder:
        options = replace(options, data=folder)
        with parity(options) as problem:
            rows = {one: list(_row(problem, options, device, one)) for one in (False, True)}
            figures = [
                *rows[False],
                *rows[True],
                _against_processes(options, rows[False]),
                *_recorded(problem, options, device),
                *_wide(problem.inputs, options, device),
            ]
        return [*figures, thesis(options, device)]


# -- packs --------------------------------------------------------------------------------------


def _row(problem: Problem, options: Options, device: str, one_seed: bool) -> Iterator[Figure]:
    """For every size that fits: trials per hour against a pack of one trial."""
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
            at_least=True,
            measured={"seconds an epoch and member": each, "trials an hour": 3600 / (each * EPOCHS)},
            repeats=len(taken),
        )


def _epochs(problem: Problem, options: Options, device: str, seeds: tuple[int, ...]) -> list[float]:
    """Seconds of each epoch after the first. An epoch ends by reading its metrics, so nothing is pending."""
    training = start(problem, options, "dfa", seeds=seeds, device=device)
    training.run_epoch()
    taken = []
    for _ in range(options.repeats):
        begin = perf_counter()
        training.run_epoch()
        taken.append(perf_counter() - begin)
    return taken


def _against_processes(options: Options, packs: list[Figure]) -> Figure:
    """Trials per hour of the best pack against one process per trial, its start included."""
    best = max(packs, key=lambda figure: figure.value).measured["trials an hour"]
    command = [
        sys.executable,
        "-m",
        "benchmarks.gpu",
        str(options.data),
        *(["quick"] if options.quick else []),
    ]
    taken = []
    for _ in range(options.repeats):
        begin = perf_counter()
        subprocess.run(command, check=True)
        taken.append(perf_counter() - begin)
    alone = 3600 / statistics.median(taken)
    return Figure(
        group="gpu",
        name=f"dfa sgd, {EPOCHS} epochs, best pack of several seeds: trials an hour / one trial a process",
        value=best / alone,
        target=None if options.quick else TARGET,
        at_least=True,
        measured={"trials an hour, packed": best, "trials an hour, a process each": alone},
        repeats=len(taken),
    )


def one_trial(options: Options) -> None:
    """Train one trial: what a process of its own does."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(options.threads)
    with parity(options) as problem:
        training = start(problem, options, "dfa", device=device)
        for _ in range(EPOCHS):
            training.run_epoch()


# -- one way against another ----------------------------------------------------------------------


def _recorded(problem: Problem, options: Options, device: str) -> list[Figure]:
    """The step launched operation by operation against the recorded step."""
    figures = []
    for size in COMPARED[:2] if options.quick else COMPARED:
        seeds = (0,) * size
        trainings = {
            name: start(problem, options, "dfa", "adam", seeds=seeds, device=device, recorded=value)
            for name, value in (("eager", False), ("recorded", True))
        }
        taken = in_turn({name: one.run_epoch for name, one in trainings.items()}, options.repeats)
        note = "captured" if trainings["recorded"].captured else "not captured"
        name = f"dfa adam, pack of {size} of one seed: eager / recorded, {note}"
        figures.append(ratio("gpu", name, taken, "eager", "recorded", at_least=True))
    return figures


def _wide(inputs: int, options: Options, device: str) -> list[Figure]:
    """The two products of the first layer for one data stream: batched over members, and one wide matrix."""
    figures = []
    for dtype in (torch.float32, torch.bfloat16):
        for size in COMPARED[1:2] if options.quick else COMPARED[1:]:
            functions = _products(inputs, options, device, size, dtype)
            taken = in_turn(functions, options.repeats)
            for product in ("x W", "x^T delta"):
                name = f"{product}, {size} members of one seed, {str(dtype).removeprefix('torch.')}"
                above, below = f"{product} batched", f"{product} wide"
                figures.append(ratio("gpu", f"{name}: batched / wide", taken, above, below))
    return figures


def _products(
    inputs: int, options: Options, device: str, size: int, dtype: torch.dtype
) -> dict[str, Callable[[], object]]:
    """x W and x^T delta with x (B, D): weights (P, D, H) and deltas (P, B, H), or (D, P H) and (B, P H)."""

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    x, wide = drawn(options.batch, inputs), size * options.width
    weights, deltas = drawn(size, inputs, options.width), drawn(size, options.batch, options.width)
    wide_weights, wide_deltas = drawn(inputs, wide), drawn(options.batch, wide)
    members = x.expand(size, -1, -1)
    return {
        "x W batched": _repeated(lambda: torch.bmm(members, weights), device),
        "x W wide": _repeated(lambda: x @ wide_weights, device),
        "x^T delta batched": _repeated(lambda: torch.bmm(members.transpose(1, 2), deltas), device),
        "x^T delta wide": _repeated(lambda: x.T @ wide_deltas, device),
    }


def _repeated(function: Callable[[], Tensor], device: str) -> Callable[[], None]:
    """A function that calls `function` so often that the wait for the GPU at the end does not matter."""

    def run() -> None:
        for _ in range(200 if device == "cuda" else 1):
            function()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


if __name__ == "__main__":
    one_trial(Options(data=Path(sys.argv[1]), quick="quick" in sys.argv[2:]))

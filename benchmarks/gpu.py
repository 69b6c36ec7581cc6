"""Packs on a GPU: trials an hour against one trial a process, and what each part of that is worth.

    uv run python -m benchmarks gpu --data DIR --json benchmarks/results.json

The same parity at its full size. Packs of members with seeds of their own (repetitions: each its own stream
of data) and with one (learning rates); a recorded step against the same one launched operation by operation;
the product of one batch with all members' weights, batched as it is, against one wide matrix; and what the
whole thesis would take, from a few epochs of each of its packs. A size that does not fit into the GPU's
memory ends its row. Without a GPU it says so and measures nothing, unless it is to show that it works:
--quick uses the CPU and small packs then.
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
COMPARED = (1, 8, 64)  # packs in which two ways to do the same are compared
TARGET = (15.0, 15.0)  # times the trials an hour of one trial a process, on an H100-class GPU


def measure(options: Options) -> list[Figure]:
    """Packs of every size, a trial a process, the recorded step, the wide product, the thesis."""
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
    """Every size that fits: the trials an hour against the same step for one trial alone."""
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
    """Seconds of epochs, after one that does not count; its last number is read, so nothing is pending."""
    training = start(problem, options, "dfa", seeds=seeds, device=device)
    training.run_epoch()
    taken = []
    for _ in range(options.repeats):
        begin = perf_counter()
        training.run_epoch()
        taken.append(perf_counter() - begin)
    return taken


def _against_processes(options: Options, packs: list[Figure]) -> Figure:
    """Trials an hour of the best pack against those of a process a trial, its start included."""
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
    """What a process does that trains one trial and ends."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(options.threads)
    with parity(options) as problem:
        training = start(problem, options, "dfa", device=device)
        for _ in range(EPOCHS):
            training.run_epoch()


# -- one way against another ----------------------------------------------------------------------


def _recorded(problem: Problem, options: Options, device: str) -> list[Figure]:
    """The step launched operation by operation against the recorded one."""
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
    """The first layer's two products of one data stream: batched over members against one wide matrix."""
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
    """It, so many times that the wait for the GPU at the end does not count."""

    def run() -> None:
        for _ in range(200 if device == "cuda" else 1):
            function()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


if __name__ == "__main__":
    one_trial(Options(data=Path(sys.argv[1]), quick="quick" in sys.argv[2:]))

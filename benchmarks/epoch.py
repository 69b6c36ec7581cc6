"""How long a training epoch takes, compared with its matrix products alone and with plain PyTorch.

Timed is one epoch of parity (k digits of 28 x 28, one hidden layer) of one trial with its test; drawing
and gathering the tuples is included. Also: rules that freeze the first layer against BP, members of a pack
against a trial alone, and the time of a step by part.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any, Literal

import torch

from benchmarks import baselines
from benchmarks.figures import Figure, beside, in_turn, ratio
from benchmarks.options import Options, parity
from dfa_tune.cli.doctor import bfloat16_units
from dfa_tune.learning.batches import Batches
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.epoch_sample import Problem
from dfa_tune.registry import OPTIMIZERS, RULES

Precision = Literal["float32", "bfloat16", "float64"]
EPOCHS = 20  # of a trial: they decide whether a table of frozen products pays
DECAY = 1e-3
PACK = 4
ADAPTIVE = ("adagrad", "adadelta", "rmsprop", "adam")
FROZEN = ("relu_features", "linear_features", "gaussian_features", "fourier_features")


def start(
    problem: Problem,
    options: Options,
    rule: str,
    optimizer: str = "sgd",
    precision: Precision = "float32",
    seeds: tuple[int, ...] = (0,),
    width: int | None = None,
    device: str = "cpu",
    recorded: bool | None = None,
    sparse: bool = False,
) -> PackTraining:
    """The training of a pack before its first epoch; it has no last one, so any number can be timed."""
    training = Training(epochs=1_000_000, batch_size=options.batch, weight_decay=DECAY, precision=precision)
    feedback = "uniform" if RULES[rule].uses_feedback else None
    members = [
        Member(learning_rate=1e-3 * (1 + n), seed=seed, feedback=feedback) for n, seed in enumerate(seeds)
    ]
    network = Network(hidden=(width or options.width,))
    return PackTraining(problem, network, training, rule, optimizer, members, device, recorded, sparse=sparse)


def measure(options: Options) -> list[Figure]:
    """Epochs against the floor, frozen rules, packs, and the time of a step by part."""
    torch.set_num_threads(options.threads)
    with parity(options) as problem:
        return [
            *_against_floor(problem, options),
            *_frozen(problem, options),
            *_packs(problem, options),
            *_parts(problem, options),
        ]


def floor(problem: Problem, options: Options) -> Callable[[], None]:
    """The dense products of an epoch and its test."""
    return baselines.floor(options.samples, options.tests, problem.inputs, options.width, options.batch)


def _against_floor(problem: Problem, options: Options) -> list[Figure]:
    run = partial(start, problem, options)
    plain = partial(baselines.Plain, problem, options.width, 1e-3, DECAY)
    functions: dict[str, Callable[[], object]] = {
        "bp sgd": run("bp").run_epoch,
        "dfa sgd": run("dfa").run_epoch,
        **{f"dfa {name}": run("dfa", name).run_epoch for name in ADAPTIVE},
        **{
            f"{rule} sgd bfloat16": run(rule, precision="bfloat16").run_epoch
            for rule in ("bp", "dfa")
            if bfloat16_units("cpu")  # emulated, an epoch takes 40 times as long
        },
        "plain autograd": baselines.autograd_epoch(plain(), options.batch, tested=True),
        "DataLoader loop": baselines.dataloader_epoch(plain(), options.batch, tested=True),
    }
    taken = beside("floor", floor(problem, options), functions, options.repeats)
    limits: dict[str, tuple[float, float] | None] = dict.fromkeys(functions, (1.5, 1.3))
    limits |= dict.fromkeys(("bp sgd", "dfa sgd"), (1.25, 1.10))
    limits |= {name: (0.75, 0.60) for name in functions if name.endswith("bfloat16")}
    limits |= dict.fromkeys(("plain autograd", "DataLoader loop"))
    group = {name: "2 bfloat16" if name.endswith("bfloat16") else "1 epoch" for name in functions}
    return [
        ratio(group[name], f"{name} / floor", taken[name], name, "floor", target=limits[name])
        for name in functions
    ]


def _frozen(problem: Problem, options: Options) -> list[Figure]:
    """Later epochs, and the mean of a whole trial, whose first epoch makes the table of products."""
    functions: dict[str, Callable[[], object]] = {
        rule: start(problem, options, rule, "adadelta").run_epoch for rule in (*FROZEN, "output_only")
    }
    taken = beside("bp sgd", start(problem, options, "bp").run_epoch, functions, options.repeats)
    figures = [
        ratio("3 frozen", f"{rule} / bp epoch", taken[rule], rule, "bp sgd", target=(0.2, 0.2))
        for rule in functions
    ]
    first = [_first_epoch(problem, options) for _ in range(options.repeats)]
    each = statistics.median(taken["relu_features"]["relu_features"])
    whole = (statistics.median(first) + (EPOCHS - 1) * each) / EPOCHS
    base = statistics.median(taken["relu_features"]["bp sgd"])
    note = "the first epoch makes the table of products"
    name = f"relu_features, mean of a trial's {EPOCHS} epochs / bp epoch"
    return [
        *figures,
        Figure(
            group="3 frozen",
            name=name,
            value=whole / base,
            target=(0.2, 0.2),
            measured={"relu_features": whole, "bp sgd": base},
            repeats=options.repeats,
            note=note,
        ),
    ]


def _first_epoch(problem: Problem, options: Options) -> float:
    begin = perf_counter()
    start(problem, options, "relu_features", "adadelta").run_epoch()
    return perf_counter() - begin


def _packs(problem: Problem, options: Options) -> list[Figure]:
    """A member's epoch in a pack against a trial alone; one seed (as in tuning), several (repetitions)."""
    run = partial(start, problem, options, "dfa")
    functions: dict[str, Callable[[], object]] = {
        "alone": run().run_epoch,
        f"{PACK} of one seed": run(seeds=(0,) * PACK).run_epoch,
        f"{PACK} of {PACK} seeds": run(seeds=tuple(range(PACK))).run_epoch,
    }
    taken = in_turn(functions, options.repeats)
    for name in functions:
        if name != "alone":
            taken[name] = [each / int(name.split()[0]) for each in taken[name]]
    return [
        ratio("packs", f"a member of {name} / alone", taken, name, "alone")
        for name in functions
        if name != "alone"
    ]


# -- where a step's time goes -------------------------------------------------------------------


class Parts:
    """Seconds by part. Time counts for the innermost timed function, but during a test for `evaluation`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stack: list[str] = []
        self._since = 0.0

    def _switch(self) -> None:
        now = perf_counter()
        if self._stack:
            part = "evaluation" if "evaluation" in self._stack else self._stack[-1]
            self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, with its time counted for `part`."""

        def run(*arguments: Any, **named: Any) -> Any:
            self._switch()
            self._stack.append(part)
            try:
                return function(*arguments, **named)
            finally:
                self._switch()
                self._stack.pop()

        return run


@contextmanager
def watched(optimizer: str) -> Iterator[Parts]:
    """While open, the time of all training with `optimizer` is counted by part."""
    parts = Parts()
    kind = OPTIMIZERS[optimizer]
    places: list[tuple[Any, str, str]] = [
        (PackTraining, "run_epoch", "other"),
        (PackTraining, "_test", "evaluation"),
        (PackTraining, "_begin", "draw"),
        (Batches, "get", "gather"),
        (torch, "bmm", "products"),
        (torch, "baddbmm", "products"),
        (torch.Tensor, "baddbmm_", "products"),
        (kind, "step_product", "update"),
        (kind, "step", "update"),
    ]
    kept = [getattr(owner, name) for owner, name, _ in places]
    for (owner, name, part), function in zip(places, kept, strict=True):
        setattr(owner, name, parts.timed(part, function))
    try:
        yield parts
    finally:
        for (owner, name, _), function in zip(places, kept, strict=True):
            setattr(owner, name, function)


def _parts(problem: Problem, options: Options) -> list[Figure]:
    figures = []
    cases: list[tuple[str, str, Precision]] = [("dfa", "sgd", "float32"), ("dfa", "rmsprop", "float32")]
    if bfloat16_units("cpu"):
        cases.append(("dfa", "sgd", "bfloat16"))
    for rule, optimizer, precision in cases:
        training = start(problem, options, rule, optimizer, precision)
        training.run_epoch()
        with watched(optimizer) as parts:
            for _ in range(options.repeats):
                training.run_epoch()
        total = sum(parts.seconds.values())
        figures += [
            Figure(
                group="parts",
                name=f"{rule} {optimizer} {precision}: {part}",
                value=100 * spent / total,
                unit="%",
                measured={part: spent / options.repeats},
                repeats=options.repeats,
            )
            for part, spent in sorted(parts.seconds.items(), key=lambda item: -item[1])
        ]
    return figures

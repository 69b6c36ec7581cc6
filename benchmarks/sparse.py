"""Epochs on data that are mostly zeros, which a CPU skips, against the dense matrix products alone.

The floor and the epochs are those of `benchmarks/epoch.py`, tests included. Also: both against each other on
all cores at once, plain PyTorch, a whole trial with frozen features, and ten classes.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import torch

from benchmarks import baselines
from benchmarks.epoch import DECAY, EPOCHS, floor, start
from benchmarks.figures import Figure, beside, in_turn, ratio
from benchmarks.options import Options, data_folder, parity
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.epoch_sample import Problem
from dfa_tune.problems.kinds import classification
from dfa_tune.registry import OPTIMIZERS

GROUP = "4 sparse"
SIMPLE, SQUARE_ROOT = (0.70, 0.52), (0.80, 0.58)  # required, target: by the optimizer's arithmetic
LIMITS = {"sgd": (0.60, 0.47), "adadelta": SQUARE_ROOT, "adam": SQUARE_ROOT}
CLASSES = 10


def measure(options: Options) -> list[Figure]:
    """Single epochs, epochs on all cores, plain PyTorch, frozen features, ten classes."""
    torch.set_num_threads(options.threads)
    with data_folder(options.data) as folder:
        given = replace(options, data=folder)  # workers read the same files
        with parity(given) as problem:
            return [
                *_against_floor(problem, given),
                _against_plain(problem, given),
                *_on_all_cores(given),
                _frozen_trial(problem, given),
                _ten_classes(given),
            ]


def _against_floor(problem: Problem, options: Options) -> list[Figure]:
    cases = [("bp", "sgd"), *(("dfa", name) for name in OPTIMIZERS.names())]
    functions: dict[str, Callable[[], object]] = {
        f"{rule} {name} sparse": start(problem, options, rule, name, sparse=True).run_epoch
        for rule, name in cases
    }
    limits = {f"{rule} {name} sparse": LIMITS.get(name, SIMPLE) for rule, name in cases}
    taken = beside("floor", floor(problem, options), functions, options.repeats)
    return [
        ratio(GROUP, f"{name} / floor", taken[name], name, "floor", target=limits[name]) for name in functions
    ]


def _against_plain(problem: Problem, options: Options) -> Figure:
    plain = baselines.Plain(problem, options.width, 1e-3, DECAY)
    functions: dict[str, Callable[[], object]] = {
        "plain autograd": baselines.autograd_epoch(plain, options.batch, tested=True),
        "bp sgd sparse": start(problem, options, "bp", sparse=True).run_epoch,
    }
    taken = in_turn(functions, options.repeats)
    name = "plain autograd / bp sgd sparse"
    return ratio(GROUP, name, taken, "plain autograd", "bp sgd sparse", target=(2.5, 3.5), at_least=True)


# -- all cores at once ---------------------------------------------------------------------------


def _worker(pipe: Connection, options: Options, optimizers: tuple[str, ...]) -> None:
    """Does what it is told by name, over and over, as one worker of a sweep: one thread."""
    torch.set_num_threads(1)
    with parity(options) as problem:
        functions: dict[str, Callable[[], object]] = {"floor": floor(problem, options)}
        for name in optimizers:
            functions[name] = start(problem, options, "dfa", name, sparse=True).run_epoch
        pipe.send("ready")
        while (name := pipe.recv()) is not None:
            functions[name]()
            pipe.send(name)


@contextmanager
def _workers(options: Options, optimizers: tuple[str, ...]) -> Iterator[list[Connection]]:
    """One worker for each core, ready."""
    context, pipes, processes = multiprocessing.get_context("spawn"), [], []
    for _ in os.sched_getaffinity(0):
        ours, theirs = context.Pipe()
        process = context.Process(target=_worker, args=(theirs, options, optimizers))
        process.start()
        pipes.append(ours)
        processes.append(process)
    try:
        for pipe in pipes:
            pipe.recv()
        yield pipes
    finally:
        for pipe in pipes:
            pipe.send(None)
        for process in processes:
            process.join()


def _on_all_cores(options: Options) -> list[Figure]:
    optimizers = ("sgd", "rmsprop")

    def everywhere(name: str) -> None:
        for pipe in pipes:
            pipe.send(name)
        for pipe in pipes:
            pipe.recv()

    with _workers(options, optimizers) as pipes:
        functions = {name: partial(everywhere, name) for name in optimizers}
        taken = beside("floor", partial(everywhere, "floor"), functions, options.repeats)
    return [
        ratio(GROUP, f"dfa {name} sparse / floor, all cores", taken[name], name, "floor", target=(0.75, 0.50))
        for name in optimizers
    ]


# -- whole trials and other networks ---------------------------------------------------------------


def _frozen_trial(problem: Problem, options: Options) -> Figure:
    """ReLU features, from the start, whose first epoch makes the table of products, to the last epoch."""

    def trial() -> None:
        training = start(problem, options, "relu_features", "adadelta", sparse=True)
        for _ in range(EPOCHS):
            training.run_epoch()

    taken = in_turn({"trial": trial, "floor": floor(problem, options)}, options.repeats, warm=1)
    floors = EPOCHS * statistics.median(taken["floor"])
    return Figure(
        group=GROUP,
        name=f"relu_features, a trial of {EPOCHS} epochs / {EPOCHS} floors",
        value=statistics.median(taken["trial"]) / floors,
        target=(0.10, 0.06),
        measured={"trial": statistics.median(taken["trial"]), "floors": floors},
        low=min(taken["trial"]) / floors,
        high=max(taken["trial"]) / floors,
        repeats=options.repeats,
    )


def _ten_classes(options: Options) -> Figure:
    settings = classification.Settings(
        dataset="mnist", train_samples=options.samples, test_samples=options.tests
    ).resolved()
    problem = classification.Problem(settings, options.data)
    training = PackTraining(
        problem,
        Network(hidden=(options.width,)),
        Training(epochs=1_000_000, batch_size=options.batch),
        "dfa",
        "sgd",
        [Member(1e-3, 0, "uniform")],
        sparse=True,
    )
    products = _products_of_classes(problem.inputs, options)
    taken: Mapping[str, Any] = beside("floor", products, {"ten classes": training.run_epoch}, options.repeats)
    return ratio(
        GROUP,
        "dfa sgd, ten classes, sparse / floor",
        taken["ten classes"],
        "ten classes",
        "floor",
        target=(1.3, 1.0),
    )


def _products_of_classes(inputs: int, options: Options) -> Callable[[], None]:
    """The dense products of an epoch: those of the first layer, and the three with the output's weights."""
    first = baselines.floor(options.samples, options.tests, inputs, options.width, options.batch)
    last = baselines.floor(options.samples, options.tests, options.width, CLASSES, options.batch)
    back = torch.rand(options.batch, CLASSES), torch.rand(CLASSES, options.width)

    def run() -> None:
        first()
        last()
        for _ in range(options.samples // options.batch):
            torch.mm(*back)

    return run

"""A run of clusters (n = 256, d = 15, width 1000, 500 epochs) against a DataLoader loop.

The loop has the same problem, network, steps and tests. A whole run of it takes minutes and all its epochs
take the same time, so it is timed for some epochs and its time is multiplied. With DataLoader workers, as in
most examples, every epoch starts processes; the loop without workers is shown too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from benchmarks import baselines
from benchmarks.figures import Figure, in_turn, ratio
from benchmarks.options import Options
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.kinds.clusters import Problem, Settings

EPOCHS, RATE, WIDTH = 500, 0.5, 1000
WITH = "loop with 2 workers"
SELDOM = 25  # evaluate_every: 20 tests in a run
LOOP_BATCH = 256  # the full batch, as in our run


def measure(options: Options) -> list[Figure]:
    """The loop against our run, which tests at 20 epochs or at every one."""
    torch.set_num_threads(options.threads)
    problem = Problem(Settings(n=256, d=15))
    share = 5 if options.quick else 25
    plain = baselines.Plain(problem, WIDTH, RATE, 0.0)
    loop = baselines.dataloader_epoch(plain, LOOP_BATCH, tested=True)
    workers = baselines.dataloader_epoch(
        baselines.Plain(problem, WIDTH, RATE, 0.0), LOOP_BATCH, tested=True, workers=2
    )

    def epochs(one: Callable[[], None], count: int) -> Callable[[], None]:
        def run() -> None:
            for _ in range(count):
                one()

        return run

    functions: dict[str, Callable[[], object]] = {
        "loop": epochs(loop, share),
        WITH: epochs(workers, 2),
        "seldom": lambda: whole_run(problem, SELDOM),
        "always": lambda: whole_run(problem, 1),
    }
    taken = in_turn(functions, options.repeats)
    taken["loop"] = [each * EPOCHS / share for each in taken["loop"]]
    taken[WITH] = [each * EPOCHS / 2 for each in taken[WITH]]
    figure = partial(ratio, "4 clusters", taken=taken, at_least=True)
    loop_with, loop_without = "DataLoader loop with 2 workers", "DataLoader loop without workers"
    return [
        figure(f"{loop_with}, 500 tests / ours, 20 tests", above=WITH, below="seldom", target=(100, 100)),
        figure(f"{loop_with} / ours, 500 tests each", above=WITH, below="always", target=(5, 5)),
        figure(f"{loop_without}, 500 tests / ours, 20 tests", above="loop", below="seldom"),
        figure(f"{loop_without} / ours, 500 tests each", above="loop", below="always"),
    ]


def whole_run(problem: Problem, evaluate_every: int) -> None:
    """Train one trial from its initial weights to its last test."""
    training = Training(epochs=EPOCHS, batch_size="full", evaluate_every=evaluate_every)
    pack = PackTraining(problem, Network(hidden=(WIDTH,)), training, "bp", "sgd", [Member(RATE, 0)])
    while not pack.finished:
        pack.run_epoch()

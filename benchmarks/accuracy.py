"""What bfloat16 products do to the accuracy, compared with float32 over ten paired seeds.

    uv run python -m benchmarks accuracy --data DIR         # MNIST; without --data, the embedded digits

Both runs of a pair have the same data, initial weights and feedback. Compared is the mean test accuracy of
the last ten epochs: the 95% interval of the paired difference (Student's t) must lie inside +-0.01.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from benchmarks.figures import Figure
from benchmarks.options import Options
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.kinds.parity import Problem, Settings
from dfa_tune.registry import RULES

SEEDS, EPOCHS, WINDOW = 10, 20, 10
# Rule, optimizer, learning rate and weight decay. Those of RMSProp are from figure 3.4: at a rate of 3e-4 and
# a weight decay of 1e-4, DFA varies too much between seeds for ten pairs (+0.0055, 95%: -0.0067 to +0.0178)
CASES = (("bp", "sgd", 0.1, 1e-4), ("dfa", "sgd", 0.018, 1e-4), ("dfa", "rmsprop", 1.7e-4, 1e-3))
LIMIT = 0.01


def measure(options: Options) -> list[Figure]:
    """For each case, the end of the interval that is farther from zero."""
    torch.set_num_threads(options.threads)
    if options.data is None:
        samples = 5_000 if options.quick else 30_000
        settings = Settings(dataset="digits", k=options.k, train_samples=samples, test_samples=2_000)
        width = 128
    else:
        settings = Settings(
            dataset="mnist", k=options.k, train_samples=options.samples, test_samples=options.tests
        )
        width = options.width
    problem = Problem(settings, options.data)
    return [_case(problem, width, options, *case) for case in CASES]


def _case(
    problem: Problem, width: int, options: Options, rule: str, optimizer: str, rate: float, decay: float
) -> Figure:
    single, half = (
        _accuracies(problem, width, options, rule, optimizer, rate, decay, bfloat16=bfloat16)
        for bfloat16 in (False, True)
    )
    difference = half - single
    mean = float(difference.mean())
    reach = float(stats.t.ppf(0.975, len(difference) - 1) * stats.sem(difference))
    return Figure(
        group="2 accuracy",
        name=f"{rule} {optimizer} {problem.settings.dataset}: test accuracy with bfloat16 minus float32",
        value=max(abs(mean - reach), abs(mean + reach)),
        unit="",
        target=(LIMIT, LIMIT),
        low=mean - reach,
        high=mean + reach,
        repeats=len(difference),
        measured={
            "float32": float(single.mean()),
            "bfloat16": float(half.mean()),
            "difference": mean,
            "spread of differences": float(difference.std(ddof=1)),
            "spread of float32": float(single.std(ddof=1)),
        },
        note="measured: accuracies; spreads are standard deviations over the seeds",
    )


def _accuracies(
    problem: Problem,
    width: int,
    options: Options,
    rule: str,
    optimizer: str,
    rate: float,
    decay: float,
    *,
    bfloat16: bool,
) -> np.ndarray:
    """The mean test accuracy over the last WINDOW epochs, (SEEDS,)."""
    epochs = 4 if options.quick else EPOCHS
    training = Training(
        epochs=epochs,
        batch_size=options.batch,
        weight_decay=decay,
        precision="bfloat16" if bfloat16 else "float32",
    )
    feedback = "uniform" if RULES[rule].uses_feedback else None
    members = [Member(rate, seed, feedback) for seed in range(1, 1 + (3 if options.quick else SEEDS))]
    pack = PackTraining(problem, Network(hidden=(width,)), training, rule, optimizer, members)
    found = np.zeros((epochs, len(members)))
    while not pack.finished:
        for row in pack.run_epoch():
            found[row["epoch"] - 1, row["member"]] = row["test_accuracy"]
    mean: np.ndarray = found[-min(WINDOW, epochs) :].mean(axis=0)
    return mean

"""What a training epoch costs beside its two matrix products alone.

    uv run python benchmarks/epoch_cost.py                          # the whole epoch, some minutes
    uv run python benchmarks/epoch_cost.py --samples 6400           # a tenth of it
    uv run python benchmarks/epoch_cost.py --data DIR --json cost.json

One float32 epoch of parity (k digits of 28 x 28, one hidden layer, SGD) of one trial, drawing and
gathering its tuples included, against the floor: x W and x^T delta of the same sizes, as many times,
with the same threads and nothing else. With its test: the test's products x W too. Floor and epoch
alternate in one run, so that a busy machine slows both; a ratio is one of medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import TEST_CHUNK, Member, PackTraining
from dfa_tune.problems.datasets import DATASETS, raw_files
from dfa_tune.problems.kinds.parity import Problem, Settings

NEVER = 1_000_000  # evaluate_every of an epoch without its test


@dataclass(frozen=True)
class Case:
    """An epoch that is measured."""

    rule: str
    weight_decay: float
    tested: bool


@dataclass(frozen=True)
class Cost:
    """Seconds, medians over the repeats."""

    rule: str
    weight_decay: float
    tested: bool
    epoch: float
    floor: float
    ratio: float
    lowest_ratio: float  # over the repeats, of an epoch and the floor beside it
    highest_ratio: float


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    options = parse()
    torch.set_num_threads(options.threads)
    cases = [
        Case(rule, decay, tested)
        for tested in (False, True)
        for rule in options.rules
        for decay in options.weight_decay
    ]
    console = Console()
    with data_folder(options.data) as folder:
        problem = Problem(
            Settings(
                dataset="mnist", k=options.k, train_samples=options.samples, test_samples=options.test_samples
            ),
            folder,
        )
        costs = measure(problem, cases, options, console)
    console.print(table(costs, options))
    if options.json:
        report = {"settings": settings(options), "costs": [asdict(cost) for cost in costs]}
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def parse() -> argparse.Namespace:
    """The command line's options; their defaults are the thesis' sizes."""
    parser = argparse.ArgumentParser(description="Cost of a training epoch beside its matrix products alone.")
    parser.add_argument("--samples", type=int, default=60_000, help="tuples an epoch")
    parser.add_argument("--test-samples", type=int, default=10_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--k", type=int, default=3, help="digits a tuple")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1, help="default: as many as a pack has")
    parser.add_argument("--repeats", type=int, default=5, help="of each epoch and its floor")
    parser.add_argument("--rules", nargs="+", default=["bp", "dfa"])
    parser.add_argument("--weight-decay", nargs="+", type=float, default=[0.0, 1e-3])
    parser.add_argument("--data", type=Path, help="folder with MNIST/raw; default: random images")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


@contextmanager
def data_folder(given: Path | None) -> Iterator[Path]:
    """`given`, or a temporary folder with random images in MNIST's place: the cost is the same."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), np.random.default_rng(0)
        for content, path in raw_files("mnist", folder).items():
            count = DATASETS["mnist"].train if content.startswith("train") else DATASETS["mnist"].test
            shape, top = ((count, 28, 28), 256) if content.endswith("images") else ((count,), 10)
            header = np.array([0x800 + len(shape), *shape], ">u4").tobytes()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(header + rng.integers(0, top, shape, dtype=np.uint8).tobytes())
        yield folder


def measure(problem: Problem, cases: list[Case], options: argparse.Namespace, console: Console) -> list[Cost]:
    """The cost of each case: `repeats` rounds over all of them, after one that does not count."""
    epochs = {case: epoch_of(problem, case, options) for case in cases}
    floors = {tested: floor_of(problem.inputs, tested, options) for tested in (False, True)}
    seconds: dict[Case, list[tuple[float, float]]] = {case: [] for case in cases}
    for repeat in range(options.repeats + 1):
        for case in cases:
            pair = timed(floors[case.tested]), timed(epochs[case])
            if repeat > 0:
                seconds[case].append(pair)
        console.print(f"round {repeat} of {options.repeats}" + (" (warm-up)" if repeat == 0 else ""))
    return [cost(case, pairs) for case, pairs in seconds.items()]


def epoch_of(problem: Problem, case: Case, options: argparse.Namespace) -> Callable[[], object]:
    """A function that trains one more epoch."""
    training = Training(
        epochs=NEVER,
        batch_size=options.batch_size,
        weight_decay=case.weight_decay,
        evaluate_every=1 if case.tested else NEVER,
    )
    feedback = "uniform" if case.rule == "dfa" else None
    member = Member(learning_rate=0.03, seed=0, feedback=feedback)
    return PackTraining(
        problem, Network(hidden=(options.width,)), training, case.rule, "sgd", [member]
    ).run_epoch


def floor_of(inputs: int, tested: bool, options: argparse.Namespace) -> Callable[[], None]:
    """A function that does an epoch's matrix products, and its test's, into buffers that are there."""
    weight = torch.rand(inputs, options.width)
    gradient = torch.empty_like(weight)
    batches = products(options.samples, options.batch_size, inputs, options.width)
    tests = products(options.test_samples if tested else 0, TEST_CHUNK, inputs, options.width)

    def run() -> None:
        for x, delta in batches:
            torch.mm(x, weight, out=delta)
            torch.mm(x.T, delta, out=gradient)
        for x, out in tests:
            torch.mm(x, weight, out=out)

    return run


def products(samples: int, size: int, inputs: int, width: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Operands (B, D) and (B, H) of every batch, the last one shorter; all in the same memory."""
    x, delta = torch.rand(size, inputs), torch.rand(size, width)
    lengths = [min(size, samples - begin) for begin in range(0, samples, size)]
    return [(x[:length], delta[:length]) for length in lengths]


def timed(function: Callable[[], object]) -> float:
    """Wall seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def cost(case: Case, pairs: list[tuple[float, float]]) -> Cost:
    """Medians, and the range of the ratios of an epoch and the floor just before it."""
    floor, epoch = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratios = [taken / least for least, taken in pairs]
    return Cost(
        **asdict(case),
        epoch=epoch,
        floor=floor,
        ratio=epoch / floor,
        lowest_ratio=min(ratios),
        highest_ratio=max(ratios),
    )


def settings(options: argparse.Namespace) -> dict[str, object]:
    """What was measured and with what."""
    sizes = {key: value for key, value in vars(options).items() if key not in ("json", "data")}
    return sizes | {"torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability()}


def table(costs: list[Cost], options: argparse.Namespace) -> Table:
    """The figures as a person reads them."""
    title = (
        f"{options.samples:,} tuples, k = {options.k}, width {options.width}, batch {options.batch_size},"
        f" SGD, float32, {options.threads} thread(s); medians of {options.repeats}"
    )
    shown = Table(title=title)
    for heading in ("rule", "weight decay", "test", "epoch s", "floor s", "ratio", "lowest", "highest"):
        shown.add_column(heading, justify="left" if heading == "rule" else "right")
    for one in costs:
        shown.add_row(
            one.rule,
            f"{one.weight_decay:g}",
            "yes" if one.tested else "no",
            f"{one.epoch:.3f}",
            f"{one.floor:.3f}",
            f"{one.ratio:.2f}",
            f"{one.lowest_ratio:.2f}",
            f"{one.highest_ratio:.2f}",
        )
    return shown


if __name__ == "__main__":
    main()

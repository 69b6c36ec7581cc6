"""The benchmarks, and what they compare with.

    uv run python -m benchmarks                                  # everything, on an otherwise idle machine
    uv run python -m benchmarks epoch clusters --quick           # a few minutes, to see that it works
    uv run python -m benchmarks --data DIR --json benchmarks/results.json
    uv run python -m benchmarks.readme                           # writes the README's table from that file

Prints a table and, with --json, adds the figures to that file. A figure is the ratio of two medians, of
things timed alternately in the same run, or a number of seconds or megabytes. Most have two limits: what is
required, and the target.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from benchmarks.figures import REPEATS, Figure, machine, save, show
from benchmarks.options import Options

BENCHMARKS = {
    "epoch": "an epoch against its matrix products, by rule, optimizer and precision; packs; time by part",
    "sparse": "epochs that skip zeros against dense products, on one core and on all; ten classes",
    "clusters": "500 epochs of clusters against a DataLoader loop",
    "sweep": "24 short trials against plain Ray Tune",
    "peers": "the same work with Ray Tune, Optuna and Hydra (--group peers)",
    "kills": "what kill -9 costs with each of these (--group peers)",
    "start": "the start and end of a sweep, part by part",
    "orchestration": "10,000 trials whose training takes no time; planning and loading",
    "memory": "the peak memory of a worker",
    "scaling": "time against trials, width, k and cores, plotted in benchmarks/plots",
    "accuracy": "bfloat16 against float32 over ten paired seeds (1.5 hours on one core)",
    "tuning": "halving, random settings and TPE against a grid, over 20 seeds (ten minutes on one core)",
    "gpu": "packs on a GPU against one trial per process",
}
NOT_BY_DEFAULT = ("peers", "kills", "accuracy", "tuning", "gpu")


def main() -> None:
    """Run the benchmarks that are named, print their figures, add them to the JSON file."""
    parser = argparse.ArgumentParser(
        description="Benchmarks of dfa_tune.",
        epilog="".join(f"{name:<15}{about}\n" for name, about in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work; not for quoting")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder that contains MNIST/raw; default: random images")
    parser.add_argument("--json", type=Path, help="JSON file to add the figures to")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        parser.error(f"unknown: {', '.join(unknown)}; valid: {', '.join(BENCHMARKS)}")
    options = Options(quick=given.quick, repeats=given.repeats, threads=given.threads, data=given.data)
    about = machine()
    figures: list[Figure] = []
    for name in given.names or [name for name in BENCHMARKS if name not in NOT_BY_DEFAULT]:
        measured = import_module(f"benchmarks.{name}").measure(options)
        if measured:
            show(measured, about)
        figures += measured
        if given.json:
            save(given.json, measured, about, options.quick)


if __name__ == "__main__":
    main()

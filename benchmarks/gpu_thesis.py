"""How long the thesis' tuning and repetitions would take on one GPU, from a few epochs of each pack."""

from __future__ import annotations

import statistics
from collections import Counter
from time import perf_counter

from benchmarks.figures import Figure
from benchmarks.options import Options
from dfa_tune.orchestration.packs.memory import gpu_memory
from dfa_tune.orchestration.packs.pack import Pack, pack_kind
from dfa_tune.orchestration.packs.pack_size import SizeLimits, make_packs
from dfa_tune.orchestration.worker.pack_run import start_training
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep, space_names
from dfa_tune.planning.trial import Trial

TIMED = 2  # epochs of a pack that are timed, after the first
TARGET = (60.0, 30.0)  # minutes

Shape = tuple[str, int, int]  # what a pack's trials have in common, their number, that of their seeds


def thesis(options: Options, device: str) -> Figure:
    """Minutes for all packs of the thesis' figures, one after another, without Ray and its start.

    Their variants, such as fig_3_4-no_decay, are not counted.
    `quick`: only the first two packs of clusters.
    """
    packs = _packs()
    known = {_shape(pack): pack for pack in packs}
    if options.quick:
        known = {shape: pack for shape, pack in known.items() if pack.trials[0].problem.kind == "clusters"}
        known = dict(list(known.items())[:2])
    taken = {shape: _seconds(pack, options) for shape, pack in known.items()}
    counts = Counter(map(_shape, packs))
    minutes = sum(seconds * counts[shape] for shape, seconds in taken.items()) / 60
    trials = sum(len(known[shape].trials) * counts[shape] for shape in taken)
    return Figure(
        group="gpu",
        name=f"the thesis, {trials:,} trials in {sum(counts[shape] for shape in taken)} packs, projected",
        value=minutes,
        unit="min",
        target=None if options.quick else TARGET,
        measured={"trials an hour": 60 * trials / minutes},
        note=f"{len(taken)} packs timed for {1 + TIMED} epochs each",
    )


def _packs() -> list[Pack]:
    """The packs that one GPU would get: the learning rates of a method together, and its repetitions."""
    limits, seen = SizeLimits(size="auto", slots=1, gpu=True, memory=gpu_memory(1)), set[str]()

    def new(trials: list[Trial]) -> list[Trial]:
        found = [trial for trial in trials if trial.id not in seen]
        seen.update(trial.id for trial in found)
        return found

    packs: list[Pack] = []
    for name in space_names():
        sweep = load_sweep(name)
        if name.startswith("fig_") and sweep.figure_name == name:
            cells = Plan(sweep).cells
            stages = [[trial for cell in cells for trial in cell.tune_trials]]
            stages += [cell.repeats for cell in cells]  # at a rate that is not known yet, and as fast
            for trials in stages:
                packs += make_packs(new(trials), limits)
    return packs


def _shape(pack: Pack) -> Shape:
    return pack_kind(pack.trials[0]), len(pack.trials), len({trial.seed for trial in pack.trials})


def _seconds(pack: Pack, options: Options) -> float:
    """Of the whole pack: its start and first epoch as timed, the others at the mean of the timed ones."""
    begin = perf_counter()
    training = start_training(pack, str(options.data), options.threads)
    training.run_epoch()
    taken = [perf_counter() - begin]
    while not training.finished and len(taken) <= TIMED:
        begin = perf_counter()
        training.run_epoch()
        taken.append(perf_counter() - begin)
    others = statistics.mean(taken[1:]) if len(taken) > 1 else 0.0
    return taken[0] + (pack.trials[0].training.epochs - 1) * others

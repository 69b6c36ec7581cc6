"""How much memory a pack needs, so that `--pack auto` cuts packs that fit. Needs neither torch nor Ray."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from operator import mul
from pathlib import Path

from dfa_tune.learning.settings import TESTED_AT_ONCE
from dfa_tune.planning.trial import Trial
from dfa_tune.registry import OPTIMIZERS, RULES

WORKER_BYTES = 800 * 2**20  # of a process that has imported torch and Ray, before any pack
MEASURED = 6  # tensors as large as the weights while alignments are measured: gradients, steps, products
ACTIVATIONS = 6  # tensors (B, H) of a step that exist at once: preactivations, slopes, deltas, products
SMALL_GPU_BYTES = 8 * 2**30  # assumed if the driver has no GPU to ask; a pack that is too large is split
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def member_bytes(trial: Trial) -> int:
    """Bytes that each member of a pack needs for itself: weights, optimizer state, a batch."""
    rule, optimizer = RULES[trial.method.rule], OPTIMIZERS[trial.method.optimizer]
    itemsize = 8 if trial.training.precision == "float64" else 4
    widths = [trial.problem.inputs, *trial.network.hidden, trial.problem.outputs]
    weights = sum(above * below for above, below in pairwise(widths))
    tensors = 1
    if rule.trains_hidden:  # also the gradient, the optimizer's state, and scratch tensors of its step
        tensors += MEASURED + 1 + optimizer.slots + optimizer.scratches
    if rule.gate is not None:
        tensors += 1
    batch = max(int(trial.training.batch_size), min(TESTED_AT_ONCE, trial.problem.test_samples or 0))
    numbers: int = tensors * weights + batch * (widths[0] + ACTIVATIONS * sum(widths[1:]))
    if rule.uses_feedback:  # a matrix for each hidden layer; where it learns, with all that its weights have
        above = [widths[-1]] * len(trial.network.hidden) if rule.direct else widths[2:]
        feedback = sum(map(mul, trial.network.hidden, above))
        numbers += feedback * (1 if rule.feedback_gradient is None else tensors)
    return itemsize * numbers


def seed_bytes(trial: Trial) -> int:
    """Bytes that members with one seed share: the products of a frozen first layer with every item."""
    rule = RULES[trial.method.rule]
    if rule.trains_hidden and rule.gate is None:
        return 0
    itemsize = 8 if trial.training.precision == "float64" else 4
    return itemsize * trial.problem.items * trial.problem.tuple_items * trial.network.hidden[0]


def epoch_bytes(trial: Trial) -> int:
    """Bytes of the tuples of an epoch while they are drawn: indices of a data set's items, or the inputs."""
    problem = trial.problem
    samples = max(problem.samples, problem.final_samples or 0)
    if problem.dataset is None:  # float32, drawn as float64
        return int(samples * problem.inputs * (4 + 8 + 8))
    return int(samples * problem.tuple_items * (8 + 8))


def pack_bytes(trials: Sequence[Trial]) -> int:
    """Bytes of a pack of these trials, in addition to the process and the data set."""
    seeds = {trial.seed for trial in trials}
    return len(trials) * member_bytes(trials[0]) + len(seeds) * seed_bytes(trials[0])


def largest_pack(trials: Sequence[Trial], budget: float) -> int:
    """How many of `trials`, whichever they are, fit together into `budget` bytes; at least one."""
    seeds = len({trial.seed for trial in trials})
    own, shared = member_bytes(trials[0]), seed_bytes(trials[0])
    if (fit := int(budget // (own + shared))) <= seeds:  # at worst each has a different seed
        return max(1, fit)
    return max(1, int((budget - seeds * shared) // own))


def available_memory() -> int:
    """Free bytes of this machine, or of this container."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:  # Linux also counts what its caches can give back
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    for limit in map(Path, CGROUP_LIMITS):
        try:
            free = min(free, int(limit.read_text()))
        except (OSError, ValueError):  # no such limit: the file is missing, or says "max"
            continue
    return free


def gpu_memory(gpus: float) -> float:
    """Free bytes of `gpus` GPUs like the one on this machine, or like a small one if there is none."""
    ask = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout
        return gpus * min(int(line) for line in answer.splitlines() if line.strip()) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return gpus * SMALL_GPU_BYTES

"""Trains one recorded trial again, from its file alone, and compares the numbers.

Where numbers differ, it says what else does: versions, the processor, the code.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfa_tune.errors import UserError
from dfa_tune.learning.metrics import METRICS
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.pack_run import start_training, torch_provenance
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import Sweep, parse_sweep
from dfa_tune.planning.trial import NUMERICS_VERSION, Trial, column_value
from dfa_tune.problems.datasets import content_digest, data_folder
from dfa_tune.problems.download import ensure
from dfa_tune.results.provenance import ENVIRONMENT, metadata
from dfa_tune.results.store import Recorded, find

if TYPE_CHECKING:
    import pandas as pd

COMPARED = (*METRICS, "diverged")


@dataclass(frozen=True)
class Difference:
    """The first number that differs.

    `recorded`, `now`: its two values. `largest`: its metric's largest absolute difference in any epoch.
    """

    epoch: int
    metric: str
    recorded: Any
    now: Any
    largest: float


@dataclass(frozen=True)
class Reproduction:
    """The result of training a recorded trial again.

    `rows`: how many epochs were compared. `difference`: None where all numbers are equal bit for bit.
    `environment`: the keys of ENVIRONMENT whose values differ, each with (recorded, here).
    """

    trial: Trial
    recorded: Recorded
    rows: int
    difference: Difference | None
    environment: dict[str, tuple[str, str]]


def reproduce(
    trial_id: str, results: str | Path = "results", *, data: str | Path | None = None
) -> Reproduction:
    """Train the recorded trial `trial_id` again, in a pack of its own, and compare it with its rows.

    Uses nothing of `results` but the trial's file: the search space in its metadata, and its rows. Writes
    nothing. Raises UserError where there is no such trial, where this dfa_tune computes other numerics, or
    where the data set has other content.
    """
    recorded = _find(trial_id, results)
    trial = _trial(trial_id, recorded)
    dataset = trial.problem.dataset
    if dataset is not None:
        ensure(dataset, data)
        if (here := content_digest(dataset, data)) != trial.data_digest:
            raise UserError(
                f"trial {trial_id} was trained on a data set {dataset!r} with the digest {trial.data_digest};"
                f" the one here has {here}; name the folder of the right one with --data"
            )
    training = start_training(Pack((trial,)), str(data_folder(data).absolute()), threads=1)
    begin = time.time()
    found = training.advance(
        float("inf"), until=int(recorded.rows["epoch"].max())
    )  # it may have been stopped
    device = str(training.device.type)
    now = metadata(recorded.metadata["space"], begin, time.time(), **torch_provenance(device))
    differing = {
        name: (recorded.metadata.get(name, "unknown"), now[name])
        for name in ENVIRONMENT
        if recorded.metadata.get(name) != now[name]
    }
    return Reproduction(trial, recorded, len(found), _difference(recorded.rows, found, training), differing)


def _find(trial_id: str, results: str | Path) -> Recorded:
    if not re.fullmatch(r"[0-9a-f]{16}", trial_id):
        raise UserError(f"trial {trial_id!r}; valid: the 16 hex characters of a trial_id in the results")
    recorded = find(results, trial_id)
    if recorded is None:
        raise UserError(f"trial {trial_id}: not among the finished trials under {results}")
    if "space" not in recorded.metadata:
        raise UserError(f"trial {trial_id}: the metadata of {recorded.path} does not hold its search space")
    return recorded


def _trial(trial_id: str, recorded: Recorded) -> Trial:
    row = recorded.rows.iloc[0]
    if row["numerics"] != NUMERICS_VERSION:
        revision = recorded.metadata.get("git_revision", "unknown")
        raise UserError(
            f"trial {trial_id} was computed by version {row['numerics']} of the numerics, but this dfa_tune"
            f" has version {NUMERICS_VERSION}; use the dfa_tune that computed it (revision {revision})"
        )
    sweep = parse_sweep(recorded.metadata["space"], f"the space in {recorded.path}")
    digests = {name: row["data_digest"] for name in sweep.datasets if column_value(name) == row["dataset"]}
    trial = Plan(sweep, digests).trial(trial_id, {str(name): value for name, value in row.items()})
    if trial is None:
        if changed := _changed_plugins(recorded, sweep):
            raise UserError(f"trial {trial_id} was trained with {changed}")
        raise UserError(
            f"trial {trial_id}: the search space in the metadata of {recorded.path} has no trial with this"
            " id; the file was changed by hand, or another dfa_tune wrote it"
        )
    return trial


def _changed_plugins(recorded: Recorded, sweep: Sweep) -> str:
    """Which plugins were others when the trial was trained, by the digests of their sources; "" if none."""
    here = {f"{kind} {one.name}": one.digest for kind, found in sweep.plugins.items() for one in found}
    try:
        then = {name: one["digest"] for name, one in json.loads(recorded.metadata["plugins"]).items()}
    except (KeyError, ValueError, TypeError, AttributeError):  # there were none, or a stranger wrote the file
        return ""
    return "; ".join(
        f"the {name} from a plugin with the digest {digest}, and the one here has {here.get(name, 'none')}"
        for name, digest in then.items()
        if here.get(name) != digest
    )


def _difference(recorded: pd.DataFrame, found: list[dict[str, Any]], training: Any) -> Difference | None:
    """The first number, by epoch, that differs in any bit; null equals null."""
    import pandas as pd

    now = pd.DataFrame(found).assign(diverged=training.diverged[0])
    before = recorded.sort_values("epoch")
    for (_, old), (_, new) in zip(before.iterrows(), now.iterrows(), strict=False):
        for name in ("epoch", *COMPARED):
            if not (old[name] == new[name] or (pd.isna(old[name]) and pd.isna(new[name]))):
                both = pd.concat([before[name].reset_index(drop=True), now[name]], axis=1).astype(float)
                return Difference(
                    int(old["epoch"]),
                    name,
                    old[name],
                    new[name],
                    float(both.diff(axis=1).iloc[:, 1].abs().max()),
                )
    if len(before) != len(now):
        return Difference(min(len(before), len(now)) + 1, "epoch", len(before), len(now), float("nan"))
    return None

"""TensorBoard: a folder for each group, in it one for each seed with its scalars and hyperparameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from dfa_tune.analysis.export.runs import OF_THE_SEED, Run

SUFFIX = ".dfa_tune"  # of our event files: they are replaced by the next export, and no other file is


def write(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write `folder/GROUP/seed-N/` for each run; returns the folder.

    Scalars have the names of the columns and the epoch as step. The hyperparameters are the settings, and
    the metric that is shown beside them is `final_test_accuracy`.
    """
    for run in runs:
        _write(run, folder / _folder_name(run.group) / f"seed-{run.seed}")
    return [folder]


def _write(run: Run, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for before in folder.glob(f"events.out.tfevents.*{SUFFIX}"):
        before.unlink()
    settings = {name: value for name, value in run.settings.items() if name not in OF_THE_SEED}
    described = hparams(settings | {"seed": run.seed, "group": run.group}, {"final_test_accuracy": 0})
    with SummaryWriter(str(folder), filename_suffix=SUFFIX) as writer:
        for summary in described:
            writer.file_writer.add_summary(summary)
        for epoch, values in run.metrics:
            for name, value in values.items():
                writer.add_scalar(name, value, epoch)
        if run.final_test_accuracy is not None:
            writer.add_scalar("final_test_accuracy", run.final_test_accuracy, run.metrics[-1][0])


def _folder_name(group: str) -> str:
    """The group as the name of a folder: TensorBoard's filter of runs matches it."""
    return re.sub(r"[^\w.=-]+", "_", group)

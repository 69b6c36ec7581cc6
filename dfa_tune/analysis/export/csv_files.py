"""CSV: `trials.csv` has one row per trial, `epochs.csv` one per trial and evaluated epoch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dfa_tune.analysis.export.runs import MEASURED, Run
from dfa_tune.learning.metrics import BY_LAYER
from dfa_tune.results.schema import SCHEMA


def write(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write both files, with all digits of the numbers; returns their paths.

    Both have the columns of docs/COLUMNS.md: `trials.csv` the settings, `epochs.csv` what was measured, with
    `trial_id` and `group`. What is null is empty, and a list with a number for each layer is JSON. A trial's
    last finite test accuracy is `final_test_accuracy`.
    """
    trials = pd.DataFrame(
        [
            run.settings
            | {
                "group": run.group,
                "final_test_accuracy": run.final_test_accuracy,
                "diverged": run.diverged,
                "seconds": run.seconds,
            }
            for run in runs
        ]
    )
    known = [name for name in SCHEMA.names if name in trials and name not in MEASURED]
    order = ["trial_id", "group", *known[1:]]
    trials = trials[[*order, *(name for name in trials if name not in order)]]
    whole = [name for name in known if str(SCHEMA.field(name).type) == "int64"]
    trials = trials.astype(dict.fromkeys(whole, "Int64"))  # 3 and not 3.0 where others have none
    epochs = pd.concat(
        [run.rows[["trial_id", *MEASURED]].assign(group=run.group) for run in runs], ignore_index=True
    )
    for name in BY_LAYER:
        epochs[name] = epochs[name].map(_as_json)
    epochs.insert(1, "group", epochs.pop("group"))
    folder.mkdir(parents=True, exist_ok=True)
    written = {"trials.csv": trials, "epochs.csv": epochs}
    for name, table in written.items():
        table.to_csv(folder / name, index=False, lineterminator="\n")
    return [folder / name for name in written]


def _as_json(layers: Any) -> str | None:
    if not hasattr(layers, "__len__"):
        return None
    return json.dumps([None if pd.isna(value) else float(value) for value in layers])

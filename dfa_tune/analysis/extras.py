"""What a figure shows beside the rows: images of the data, weights looked at.

It is worked out where data and weights are, and kept with the results in `extras/<key>.parquet`, so that
figure, claims and report can be had later from the committed files alone. The key says which
repetitions it was made of: where others are done, it is made anew.
"""

from __future__ import annotations

import hashlib
import io
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pandas as pd

from dfa_tune.bundled import bundled
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.results.store import Store

# (results, store, data) -> the table, None where what it takes is not here (yet)
Make = Callable[[SweepResults, Store, str | Path | None], pd.DataFrame | None]


def kept(results: SweepResults, store: Store) -> pd.DataFrame | None:
    """The table that was kept for the repetitions in `results`; None where there is none."""
    try:
        content = store.folder("extras").read(_file(results))
    except FileNotFoundError:
        return None
    return pd.read_parquet(io.BytesIO(content))


def made(results: SweepResults, store: Store, data: str | Path | None = None) -> pd.DataFrame | None:
    """As `kept`; where nothing is kept yet, the function `extra` of the figure's script makes it."""
    make = cast(Make | None, script(results.sweep.name).get("extra"))
    if make is None:
        return None
    found = kept(results, store)
    if found is None and (found := make(results, store, data)) is not None:
        content = io.BytesIO()
        found.to_parquet(content, index=False)
        store.folder("extras").put(_file(results), content.getvalue())
        found = kept(results, store)  # as every later reader has it: a list comes back as an array
    return found


def script(name: str) -> dict[str, Callable[..., object]]:
    """The functions of `analysis/<name>.py`, {} if there is no such script.

    What follows a hyphen names a variant, which is drawn as the original: fig_3_1-no_decay as fig_3_1.
    """
    path = _path(name)
    if not path.is_file():
        return {}
    return {key: value for key, value in runpy.run_path(str(path)).items() if callable(value)}


def source(name: str) -> bytes:
    """The text of that script, empty if there is none."""
    path = _path(name)
    return path.read_bytes() if path.is_file() else b""


def _path(name: str) -> Path:
    return bundled("analysis") / f"{name.partition('-')[0]}.py"


def _file(results: SweepResults) -> str:
    repeated = results.finals["trial_id"].unique().tolist()
    return f"{hashlib.sha256(' '.join(sorted(repeated)).encode()).hexdigest()[:16]}.parquet"

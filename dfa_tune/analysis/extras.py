"""The extra table of a figure: what it shows beside the rows, such as images or probes of the weights.

The function `extra` of the figure's module makes it where the data and the weights are. It is kept with the
results in `extras/KEY.parquet`, so that figures, claims and reports can be made from those files alone. The
key stands for the repetitions that the table was made from: when others are done, it is made anew.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import pandas as pd
import pyarrow as pa

from dfa_tune.analysis.figure_modules import figure_module
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.results import parquet_file
from dfa_tune.results.parquet_file import DamagedFileError, ParquetFile
from dfa_tune.results.reader import DamagedFileWarning
from dfa_tune.results.store import Store


def kept(results: SweepResults, store: Store) -> pd.DataFrame | None:
    """The table that was kept for the repetitions in `results`; None where there is none.

    A damaged one is passed over with a warning: `made` replaces it.
    """
    folder, name = store.folder("extras"), _file(results)
    try:
        frame: pd.DataFrame = ParquetFile(folder.read(name)).read().to_pandas()
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        warnings.warn(f"{folder.full(name)}: passed over: {error}", DamagedFileWarning, stacklevel=2)
        return None
    return frame


def made(results: SweepResults, store: Store, data: str | Path | None = None) -> pd.DataFrame | None:
    """As `kept`; where nothing is kept yet, the table is made and kept.

    None where the figure needs no such table, or where the data or weights that it takes are not here.
    """
    make = getattr(figure_module(results.sweep), "extra", None)
    if make is None:
        return None
    found = kept(results, store)
    if found is None and (new := make(results, store, data)) is not None:
        content = parquet_file.encode(pa.Table.from_pandas(new, preserve_index=False))
        store.folder("extras").put(_file(results), content)
        found = kept(results, store)  # as later readers get it: Parquet turns a list into an array
    return found


def missing(results: SweepResults, store: Store) -> bool:
    """Whether `made` would have to make the table, which may take minutes."""
    needed = hasattr(figure_module(results.sweep), "extra")
    return needed and _file(results) not in store.folder("extras").files()


def _file(results: SweepResults) -> str:
    repeated = results.finals["trial_id"].unique().tolist()
    return f"{hashlib.sha256(' '.join(sorted(repeated)).encode()).hexdigest()[:16]}.parquet"

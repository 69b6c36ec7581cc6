"""Which trials are complete, and which of several copies of a trial counts.

A file holds whole trials. A trial is complete in a file that has all its evaluated epochs: every N-th one
(`evaluate_every`) and the last. One whose rows are `stopped` is whole with those up to some epoch, but not
complete. If several files have a trial, one rule says which copy counts: a complete one, or else the
longest of those that were stopped. Readers show that copy, and maintenance keeps it. So whoever removes the
others, at whatever moment, nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = ("trial_id", "epoch", "epochs", "evaluate_every", "stopped")  # all that `Copies` reads
Indices = np.ndarray[Any, np.dtype[Any]]
_MERGED = re.compile(r"compacted-(\d{1,9})-[0-9a-f]{16}\.parquet")


def merges(name: str) -> int:
    """How many rounds of merging went into the file of this name; 0 for one as it was published."""
    match = _MERGED.fullmatch(name)
    return int(match[1]) if match else 0


def by_preference(tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables of files in the order in which their copies of a trial count, the first one most.

    Files merged more often come first, then those with more rows, then those first by name. All of that is
    fixed when a file is written, so that every process on every machine has the same order. A merged file
    comes before those that it was made of.
    """
    order = sorted(tables, key=lambda name: (-merges(name), -len(tables[name]), name))
    return {name: tables[name] for name in order}


@dataclass(frozen=True)
class Copies:
    """The trials of several files, whose rows are in one table.

    table: has `COLUMNS`; epochs from 1, evaluate_every null where it is not known: then every epoch; stopped
        null where it is not known: then not
    file: of each row, the position of its file in the order of `by_preference`
    """

    table: pa.Table
    file: Indices

    @cached_property
    def _trials(self) -> tuple[Indices, Indices]:
        """The trial ids in alphabetical order, and for each row the position of its trial among them."""
        encoded = self.table["trial_id"].combine_chunks().dictionary_encode()
        alphabetical = pc.array_sort_indices(encoded.dictionary).to_numpy()
        rank = np.empty(len(alphabetical), np.int64)
        rank[alphabetical] = np.arange(len(alphabetical))
        ids = encoded.dictionary.take(pa.array(alphabetical)).to_numpy(zero_copy_only=False)
        return ids, rank[encoded.indices.to_numpy()]

    @cached_property
    def _sorted(self) -> tuple[Indices, Indices, Indices]:
        """Row indices by trial, file and epoch; where each copy begins; the first row of each epoch of it."""
        trial, epoch = self._trials[1], self.table["epoch"].to_numpy()
        rows = np.lexsort((epoch, self.file, trial))
        trial, file, epoch = trial[rows], self.file[rows], epoch[rows]
        copy = np.ones(len(rows), bool)
        copy[1:] = (trial[1:] != trial[:-1]) | (file[1:] != file[:-1])
        first = copy.copy()
        first[1:] |= epoch[1:] != epoch[:-1]
        return rows, np.flatnonzero(copy), first

    @cached_property
    def _copies(self) -> tuple[Indices, Indices, Indices, Indices, Indices]:
        """Of each copy by trial and file: its trial and file, whether it is whole, counts, and is stopped."""
        rows, starts, first = self._sorted
        trial, file = self._trials[1][rows[starts]], self.file[rows[starts]]
        epoch, epochs = (self.table[name].to_numpy()[rows] for name in ("epoch", "epochs"))
        every = pc.fill_null(self.table["evaluate_every"], 1).to_numpy()[rows]
        stopped = pc.fill_null(self.table["stopped"], False).to_numpy()[rows]
        if not len(rows):
            return trial, file, np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, bool)
        every = np.maximum(every, 1)
        known = first & (epoch >= 1) & (epoch <= epochs) & ((epoch % every == 0) | (epoch == epochs))
        last = np.maximum.reduceat(epoch, starts)
        short = stopped[starts] & (last < epochs[starts])
        to = np.where(short, last, epochs[starts])
        wanted = to // every[starts] + (~short & (to % every[starts] != 0))
        whole = (np.add.reduceat(known.astype(np.int64), starts) == wanted) & (wanted > 0)
        for column in (epochs, every, stopped):  # rows that contradict each other are no trial
            whole &= np.minimum.reduceat(column, starts) == np.maximum.reduceat(column, starts)
        counts = np.zeros(len(starts), bool)
        longest = np.where(short, -last, 0)
        order = np.lexsort((file, longest, short, ~whole, trial))  # the best copy of each trial first
        best = order[np.concatenate(([True], trial[order][1:] != trial[order][:-1]))]
        counts[best] = whole[best]
        return trial, file, whole, counts, short

    def rows(self) -> Indices:
        """Indices of the rows to show: the copy that counts of each whole trial, by trial and epoch."""
        rows, starts, first = self._sorted
        counts = np.repeat(self._copies[3], np.diff(starts, append=len(rows)))
        shown: Indices = rows[counts & first]
        return shown

    def rows_to_keep(self) -> Indices:
        """As `rows`, and also the rows of trials that are whole in no file, each epoch once."""
        rows, starts, first = self._sorted
        trial, _, whole, counts, _ = self._copies
        unfinished = ~np.isin(trial, trial[whole])
        kept: Indices = rows[np.repeat(counts | unfinished, np.diff(starts, append=len(rows))) & first]
        trial, epoch = self._trials[1][kept], self.table["epoch"].to_numpy()[kept]
        order = np.lexsort((self.file[kept], epoch, trial))
        kept, trial, epoch = kept[order], trial[order], epoch[order]
        again = (trial[1:] == trial[:-1]) & (epoch[1:] == epoch[:-1])  # of several unfinished copies
        return kept[np.concatenate(([True], ~again))] if len(kept) else kept

    def complete(self) -> set[str]:
        """The ids of the trials that are complete in a file."""
        trial, _, _, counts, stopped = self._copies
        return set(self._trials[0][trial[counts & ~stopped]].tolist())

    def files(self) -> dict[str, int]:
        """Of each whole trial, the position of the file whose copy counts."""
        trial, file, _, counts, _ = self._copies
        return dict(zip(self._trials[0][trial[counts]].tolist(), file[counts].tolist(), strict=True))

    def counting_files(self) -> dict[int, set[int]]:
        """Of each file, the positions of the files whose copies of its trials count."""
        trial, file, *_ = self._copies
        ids, counting = self._trials[0], self.files()
        found: dict[int, set[int]] = {}
        for position, name in zip(file.tolist(), ids[trial].tolist(), strict=True):
            found.setdefault(position, set()).add(counting.get(name, position))
        return found

    def superseded(self) -> set[int]:
        """The positions of the files of which every trial is whole, and another file's copy counts."""
        _, file, whole, counts, _ = self._copies
        return set(file.tolist()) - set(file[~whole | counts].tolist())

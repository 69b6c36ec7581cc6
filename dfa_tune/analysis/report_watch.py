"""A report that is written anew while its sweeps run, until they are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dfa_tune.analysis.report import Following
from dfa_tune.errors import UserError
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.sweep import load_sweep, space_names
from dfa_tune.planning.sweep_results import load_sweep_results
from dfa_tune.results.leases import Leases
from dfa_tune.results.store import Store

SECONDS = 5  # from one look at the results to the next, at least
SHARE = 0.2  # of the time, at most, goes into writing reports


@dataclass(frozen=True)
class Progress:
    """The trials of all sweeps that a report shows."""

    planned: int
    done: int
    running: int

    @property
    def complete(self) -> bool:
        """Whether nothing is running or remains; a sweep that repeats until it is decided plans more then."""
        return self.running == 0 and 0 < self.planned <= self.done

    def __str__(self) -> str:
        return f"{self.done} of {self.planned} trials done, {self.running or 'none'} running"


def progress(
    results: str | Path,
    *,
    spaces: Sequence[str] = (),
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
) -> Progress:
    """How far the spaces are; if none is named, all bundled ones that have results or are running."""
    planned = done = running = 0
    for space in spaces or space_names():
        sweep = load_sweep(space, overrides=overrides, results=results)
        store = Store(results, sweep.name)
        leased = {trial for lease in Leases(store).active().values() for trial in lease.trial_ids}
        found = load_sweep_results(sweep, results, data=data, scores_only=True)
        if not spaces and found.rows.empty and not leased:
            continue
        state = SweepState(found.plan, store, found.rows)
        count = state.count()
        planned, done = planned + count.planned, done + count.done
        running += len(leased - state.scores.keys())
    return Progress(planned, done, running)


def watch(
    write: Callable[[Following | None], None],
    look: Callable[[], Progress],
    sleep: Callable[[float], None] = time.sleep,
) -> Progress:
    """Write the report whenever `look` sees something new, until it sees that all is done; returns that.

    The page that is written last, also if this is interrupted, follows nothing any more.
    """
    seen, pause = None, float(SECONDS)
    try:
        while not (now := look()).complete:
            if now != seen:
                began = time.monotonic()
                said = f"{now}; written {time.strftime('%H:%M:%S')}"
                write(Following(said, round(pause)))
                pause = max(SECONDS, (time.monotonic() - began) / SHARE)
                seen = now
            sleep(pause)
    except BaseException:
        with suppress(UserError):  # there may be no results yet
            write(None)
        raise
    write(None)
    return now

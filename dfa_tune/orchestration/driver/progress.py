"""Live progress of a sweep: two lines that refresh in a terminal or notebook, elsewhere lines at times."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from dfa_tune.orchestration.driver.notebook_display import NotebookDisplay
from dfa_tune.orchestration.progress_text import clock as clock_text

if TYPE_CHECKING:  # it imports Tune, and this is shown while Tune is imported
    from dfa_tune.orchestration.driver.searcher import TuneThenRepeat

LINE_SECONDS = 15.0  # between two lines where the output is not a terminal
UPDATE_SECONDS = 0.5  # between two looks at the sweep in a terminal
BEST_SHOWN = 4


class Progress:
    """Shows trials done and running, the best learning rates so far and the time left.

    A context, which hears of Tune's trials by `tune_callback.Forward`. Output that cannot be written ends the
    display and never the sweep.

    console: where to show it; nothing is shown if it is quiet
    name: of the sweep
    clock: seconds that never go back
    """

    def __init__(self, console: Console, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._name, self._clock = console, name, clock
        self._file = console.file
        self._searcher: TuneThenRepeat | None = None
        self._shares: dict[str, tuple[float, int]] = {}  # of running packs: share done, trials
        self._begun: set[str] = set()
        self._start = clock()
        self._first: tuple[float, float] | None = None  # when training began, and what was done by then
        self._next = -float("inf")  # when to look at the sweep again
        self._display: _Display | NotebookDisplay | None = None
        if console.is_jupyter and not console.quiet:
            self._display = NotebookDisplay(name)
        elif console.is_terminal:
            self._display = _Display(console, name)
        self._note = ""

    def __enter__(self) -> Progress:
        self._console.file = _ForgivingFile(self._file)  # type: ignore[assignment]
        if self._display is not None:
            self._display.start()
        self._now("starting Ray")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._display is not None:
            self._show()
            self._display.stop()
        self._console.file = self._file

    def watch(self, searcher: TuneThenRepeat) -> None:
        """Show this searcher's packs from now on."""
        self._searcher = searcher
        self._now("starting workers")

    def say(self, line: str) -> None:
        """Print a line of its own, above the live ones. May be called from another thread."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    # -- what Tune tells ------------------------------------------------------------------------

    def look(self) -> None:
        """Show how it stands, if it is time to. Tune does this several times a second, whatever happens."""
        if self._clock() >= self._next:
            self._show()

    def begun(self, trial_id: str) -> None:
        """A worker has taken the pack: until then it only waits."""
        self._begun.add(trial_id)

    def trained(self, trial_id: str, share: float, trials: int) -> None:
        """A worker has trained for some seconds: it has done this share of so many trials."""
        self._shares[trial_id] = (share, trials)
        if self._first is None:
            self._first = (self._clock(), self._work_done())

    def ended(self, trial_id: str) -> None:
        """A pack is done, and its rows are in the store; or it has failed."""
        self._shares.pop(trial_id, None)

    # -- what is shown --------------------------------------------------------------------------

    def left(self) -> float | None:
        """Seconds that the rest will take at the rate so far; None until that can be told."""
        if self._first is None or self._searcher is None:
            return None
        begun, before = self._first
        done, elapsed = self._work_done(), self._clock() - begun
        if done - before <= 0 or elapsed < 1:
            return None
        return (self._searcher.state.count().planned - done) * elapsed / (done - before)

    def _work_done(self) -> float:
        """Trials done; those being trained, and those that wait at a rung, by their share of epochs."""
        assert self._searcher is not None
        training = sum(share * n for share, n in self._shares.values())
        return self._searcher.state.count().done + training + sum(self._searcher.state.waiting().values())

    def _now(self, note: str) -> None:
        """Show at once what is being done."""
        self._note = note
        self._show()

    def _show(self) -> None:
        self._next = self._clock() + (LINE_SECONDS if self._display is None else UPDATE_SECONDS)
        if self._console.quiet:
            return
        if self._display is not None:
            share = self._share()
            self._display.show(share, self._trials(), self._time(), self._details())
        else:
            parts = f"{self._trials()}, {self._time()}", self._details()
            line = "; ".join(filter(None, parts))
            self._console.print(f"{self._name}: {line}", highlight=False, markup=False, soft_wrap=True)

    def _share(self) -> float:
        if self._searcher is None:
            return 0.0
        return self._work_done() / self._searcher.state.count().planned

    def _trials(self) -> str:
        if self._searcher is None or self._first is None:
            return f"{self._note} ..."
        count = self._searcher.state.count()
        return f"{count.done}/{count.planned} trials done"

    def _time(self) -> str:
        left = self.left()
        elapsed = clock_text(self._clock() - self._start)
        if not left:
            return f"{elapsed} elapsed"
        undecided = self._searcher is not None and self._searcher.state.most > self._searcher.state.planned
        return f"{elapsed} elapsed, {'at least' if undecided else 'about'} {clock_text(left)} left"

    def _details(self) -> str:
        """How many run and have failed, and the best learning rates so far."""
        if self._searcher is None or self._first is None:
            return ""
        packs = self._searcher.running.items()
        running = sum(len(one.pack.trials) for name, one in packs if name in self._begun)
        failed = sum(len(failure.pack.trials) for failure in self._searcher.failures)
        counts = f"{running} running" + (f", {failed} failed" if failed else "")
        needed = self._searcher.state.needed
        return "; ".join(filter(None, (counts, needed.said if needed is not None else "", self._best())))

    def _best(self) -> str:
        """The best scores so far, at the last point of the axes that has any."""
        assert self._searcher is not None
        found = self._searcher.state.best()
        if not found:
            return ""
        axes = found[-1][0].axes
        scores = [
            (cell.method.name, choice.score)
            for cell, choice in found
            if cell.axes == axes and choice.score is not None
        ]
        lower_is_better = self._searcher.state.plan.sweep.tuning.lower_is_better
        scores.sort(key=lambda item: item[1], reverse=not lower_is_better)
        where = f" at {', '.join(f'{name} = {value}' for name, value in axes.items())}" if axes else ""
        return f"best so far{where}: " + ", ".join(
            f"{name} {score:.3f}" for name, score in scores[:BEST_SHOWN]
        )


class _Display(RichProgress):
    """Two lines that fit into the terminal, whatever its width: a bar, and details below it."""

    def __init__(self, console: Console, name: str) -> None:
        self._details = ""
        super().__init__(
            TextColumn("{task.description}", style="bold", markup=False, table_column=_column(max_width=16)),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
            TextColumn("{task.fields[trials]}", markup=False, table_column=_column()),
            TextColumn("{task.fields[time]}", markup=False, table_column=_column()),
            console=console,
            expand=True,
            refresh_per_second=2,
        )
        self._task = self.add_task(name, total=1.0, trials="", time="")

    def show(self, share: float, trials: str, time: str, details: str) -> None:
        """Show these from the next refresh on."""
        self._details = details
        self.update(self._task, completed=share, trials=trials, time=time)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The two lines."""
        yield self.make_tasks_table(self.tasks)
        yield Text(self._details, style="bright_black", no_wrap=True, overflow="ellipsis")


def _column(**options: Any) -> Column:
    return Column(no_wrap=True, overflow="ellipsis", **options)


class _ForgivingFile:
    """A text file that may turn unwritable: a closed pipe, a full disk. What is written is then lost."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        """Write the text, if that is still possible."""
        if not self._lost:
            try:
                self._file.write(text)
            except (OSError, ValueError):  # ValueError: closed
                self._lose()
        return len(text)

    def flush(self) -> None:
        """Flush the file, if that is still possible."""
        if not self._lost:
            try:
                self._file.flush()
            except (OSError, ValueError):
                self._lose()

    def _lose(self) -> None:
        """Have everything that this process still writes there vanish, its buffer at the end included."""
        self._lost = True
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._file.fileno())
            os.close(nowhere)
